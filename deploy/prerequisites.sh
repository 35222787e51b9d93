#!/usr/bin/env bash
# Makes sure that the workspace can be compiled: installs what Debian packages bring when run by root, else says what is missing.
# What the local Kafka and ClickHouse need (Java, Maven, npm) is looked after by `tributary dev up`.
set -euo pipefail

# The oldest Rust that compiles the workspace, as its manifest says.
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml")

# Program and Debian package. librdkafka is built by make with a C and a C++ compiler, OpenSSL's build is Perl.
needed=("cc gcc" "c++ g++" "make make" "perl perl")

missing=()
for pair in "${needed[@]}"; do
    command -v "${pair% *}" >/dev/null || missing+=("${pair#* }")
done
# OpenSSL's build uses modules that Debian leaves out of its smallest Perl.
if command -v perl >/dev/null && ! perl -MFindBin -MFile::Compare -MIPC::Cmd -e1 2>/dev/null; then
    missing+=(perl)
fi
# Without certificates nothing can be fetched.
[ -n "${SSL_CERT_FILE:-}" ] || [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || missing+=(ca-certificates)
# A compiler without the C library's headers compiles nothing.
if command -v cc >/dev/null && ! echo '#include <stdio.h>' | cc -fsyntax-only -xc - 2>/dev/null; then
    missing+=(libc6-dev)
fi

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
        echo "installing ${missing[*]} with apt-get …" >&2
        log=$(mktemp)
        if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" libc6-dev; } >"$log" 2>&1 </dev/null; then
            tail -n 5 "$log" >&2
            echo "could not install ${missing[*]}: install them by hand, then run the same command again" >&2
            exit 1
        fi
        rm -f "$log"
    else
        echo "missing: ${missing[*]}; install them (Debian and Ubuntu: sudo apt-get install ${missing[*]} libc6-dev), then run the same command again" >&2
        exit 1
    fi
fi

# A fresh rustup is not yet on the PATH of shells that are already open.
if ! command -v cargo >/dev/null; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "cargo is installed but not on PATH: run . \"$HOME/.cargo/env\", then the same command again" >&2
    else
        echo "Rust is missing: install it as https://rustup.rs says (version $oldest_rust or newer), then run the same command again" >&2
    fi
    exit 1
fi
rust=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n' "$oldest_rust" "${rust%%-*}" | sort -V | head -n 1)" != "$oldest_rust" ]; then
    echo "Rust $rust is too old: version $oldest_rust or newer is needed (rustup update stable), then run the same command again" >&2
    exit 1
fi
