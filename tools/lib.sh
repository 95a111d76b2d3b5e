# lib.sh: what ./run and ./test share. Sourced, not run.

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# install_packages LEVEL…: installs what tools/packages.txt names for the levels and is missing.
install_packages() {
    local wanted missing="" package
    wanted=$(for level in "$@"; do sed -n "s/^$level //p" tools/packages.txt; done)
    for package in $wanted; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    local as_root=""
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root="sudo"
        else
            die "Debian packages are missing. As root, run:
  apt-get update && apt-get install -y --no-install-recommends$missing"
        fi
    fi
    say "installing Debian packages:$missing"
    $as_root apt-get update -qq ||
        die "apt-get update failed; check the network and the package sources, then try again"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing \
        >/dev/null || die "apt-get could not install:$missing"
}

# build_preset PRESET [TARGET…]: configures and builds into build/PRESET, quietly unless it fails.
build_preset() {
    local preset=$1 log
    shift
    log=$(mktemp)
    if ! cmake --preset "$preset" >"$log" 2>&1 ||
        ! cmake --build "build/$preset" ${*:+--target "$@"} >>"$log" 2>&1; then
        tail -n 60 "$log" >&2
        rm -f "$log"
        die "building preset '$preset' failed"
    fi
    rm -f "$log"
}
