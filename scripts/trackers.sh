#!/bin/sh
# Brings the trackers that ours is measured beside into .cache/trackers, as far as they can be had; what is there already is
# kept. bittorrent-tracker is among e2e's packages.
#
# aquatic_ws needs io_uring to run. Without `--locked`: with its own lock file it does not compile on Rust 1.95.
# wt-tracker is on GitHub alone, and asks for a uWebSockets.js that is there alone too: npm has its binary of another version.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
into=${BRAIDCAST_CACHE:-$root/.cache}/trackers
mkdir -p "$into"
say() { printf '  %s\n' "$*"; }

if [ ! -x "$into/aquatic_ws/bin/aquatic_ws" ]; then
    say "building aquatic_ws: some minutes"
    CARGO_TARGET_DIR="$into/aquatic_ws/target" nice -n 19 cargo install aquatic_ws --version 0.9.0 \
        --root "$into/aquatic_ws" -j1 --quiet || say "aquatic_ws does not build: left out"
    rm -rf "$into/aquatic_ws/target"
fi

if [ ! -e "$into/wt-tracker/wt-tracker.mjs" ]; then
    commit=fdb52ac
    source=${WT_TRACKER:-https://github.com/Novage/wt-tracker}
    if git clone --quiet "$source" "$into/wt-tracker" && git -C "$into/wt-tracker" checkout --quiet $commit; then
        cd "$into/wt-tracker"
        rm -f package.json package-lock.json
        npm install --silent --no-audit --no-fund --ignore-scripts \
            @trufflesuite/uws-js-unofficial@20.30.0-unofficial.0 debug@4 esbuild@0.25
        uws=node_modules/uWebSockets.js
        mkdir -p $uws
        echo '{"name":"uWebSockets.js","version":"20.30.0","type":"module","exports":"./index.js"}' >$uws/package.json
        echo 'import uws from "@trufflesuite/uws-js-unofficial"; export const { App, SSLApp } = uws;' >$uws/index.js
        npx esbuild src/run-tracker.ts --bundle --platform=node --format=esm --target=node20 --log-level=warning \
            --external:uWebSockets.js --external:debug --outfile=wt-tracker.mjs
    else
        rm -rf "$into/wt-tracker"
        say "wt-tracker cannot be fetched: left out (WT_TRACKER is where to clone it from)"
    fi
fi
