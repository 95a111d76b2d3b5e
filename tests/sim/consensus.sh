#!/bin/sh
# consensus.sh [SEEDS]: many seats agree, some of them faulty; with more than f faulty ones whoever
# made two blocks possible is named; every seed does the same twice.
set -eu
cd "$(dirname "$0")/../.."
sim=build/release/bin/cairn-sim
seeds=${1:-1..300}

"$sim" consensus --seeds "$seeds"
"$sim" consensus --seeds 1..100 --nodes 4 --byzantine 2
"$sim" consensus --seeds 1..50 --nodes 7 --byzantine 3
"$sim" consensus --seeds 1..40 --repeat
