#!/usr/bin/env bash
# Fails when a crate names a dependency that it does not use. The tool is built once into target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.9.2
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
tools="$target/tools"

if ! "$tools/bin/cargo-machete" --version 2>/dev/null | grep -qx "$version"; then
    echo "building cargo-machete $version (once) …" >&2
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "cargo-machete@$version"
    rm -rf "$tools/build"
fi
"$tools/bin/cargo-machete"
