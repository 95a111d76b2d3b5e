# npm.sh: packages of the npm registry for tests and tools, by lock file. Sourced, from the top of
# the checkout, behind tools/lib.sh.
#
#   npm_use FOLDER      # with package.json and package-lock.json
#
# Installs the folder's packages into build/npm/NAME (again when the lock file changes; scripts of
# packages do not run), and sets NODE, the Node that the lock file pins, and NODE_MODULES. Whatever
# Node 18 or later is there starts npm; Debian's comes only if there is none.

npm_have_node() {
    command -v npm >/dev/null 2>&1 &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null
}

npm_use() {
    local folder=$1 home name
    name=$(printf '%s' "$folder" | tr / -)
    home=${CAIRN_NPM:-$PWD/build/npm}/$name
    if ! cmp -s "$folder/package-lock.json" "$home/installed.json"; then
        npm_have_node || install_packages javascript
        npm_have_node || die "Node 18 or later with npm is needed"
        mkdir -p "$home"
        cp "$folder/package.json" "$folder/package-lock.json" "$home/"
        (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
            die "npm ci failed: is the package registry reachable?"
        cp "$folder/package-lock.json" "$home/installed.json"
    fi
    NODE_MODULES=$home/node_modules
    for NODE in "$NODE_MODULES"/node-linux-*/bin/node; do
        "$NODE" --version >/dev/null 2>&1 && return 0
    done
    die "the pinned Node does not run on this machine ($(uname -m))"
}
