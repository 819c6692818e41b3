#!/bin/sh
# The quickstart: a streaming job over real records is stopped with a savepoint in one process and brought back in another.
set -e
cd "$(dirname "$0")/.."
rm -rf target/quickstart
cargo build
skep="${CARGO_TARGET_DIR:-target}/debug/skep -u local:target/quickstart/local"
$skep -f examples/quickstart.sql
echo
echo "--- a new process ---"
$skep -f examples/quickstart-restore.sql
