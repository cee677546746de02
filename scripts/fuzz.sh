#!/bin/sh
# libFuzzer on one decoder, with the stable compiler: scripts/fuzz.sh wire_frames 60
#
# New inputs go to .cache/fuzz/<target>. What breaks is kept in .cache/fuzz/artifacts; put it into fuzz/corpus/<target> with
# the fix, and `make test` replays it for ever. `merge` instead of seconds adds to the committed corpus whatever reaches code
# that it does not reach yet.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
target=${1:-} seconds=${2:-60}
if [ ! -f "fuzz/targets/$target.rs" ]; then
    echo "usage: scripts/fuzz.sh TARGET [SECONDS | merge]; targets:" >&2
    ls fuzz/targets | sed 's/\.rs$//; s/^/  /' >&2
    exit 2
fi
triple=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="$root/fuzz/target"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
(cd fuzz && cargo build --locked --features libfuzzer --bin "$target" --target "$triple")
program=$CARGO_TARGET_DIR/$triple/debug/$target
mkdir -p ".cache/fuzz/$target" .cache/fuzz/artifacts
if [ "$seconds" = merge ]; then
    exec "$program" -merge=1 -max_len=4096 "fuzz/corpus/$target" ".cache/fuzz/$target"
fi
exec "$program" -max_total_time="$seconds" -use_value_profile=1 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix=".cache/fuzz/artifacts/$target-" ".cache/fuzz/$target" "fuzz/corpus/$target"
