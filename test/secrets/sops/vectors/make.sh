#!/bin/sh
# Makes the files of this folder with the real programs: SOPS=/path/to/sops KEYGEN=/path/to/age-keygen ./make.sh
# sops 3.13.3 (go install github.com/getsops/sops/v3/cmd/sops@v3.13.3), age 1.3.2. The keys are for tests only.
set -eu
cd "$(dirname "$0")"
[ -f keys.txt ] || { "$KEYGEN"; "$KEYGEN"; } >keys.txt 2>/dev/null
first=$("$KEYGEN" -y keys.txt | sed -n 1p)
second=$("$KEYGEN" -y keys.txt | sed -n 2p)
export SOPS_AGE_KEY_FILE="$PWD/keys.txt"
seal() { # name, format, arguments
  name=$1 format=$2
  shift 2
  "$SOPS" --config "${CONFIG:-/dev/null}" encrypt --input-type "$format" --output-type "$format" "$@" "$name.in" >"$name.enc"
  "$SOPS" --config /dev/null decrypt --input-type "$format" --output-type "$format" "$name.enc" >"$name.plain"
}
seal scalars.yaml yaml --age "$first"
seal secret.yaml yaml --age "$first,$second" --encrypted-regex '^(data|stringData)$'
config=$(mktemp)
printf 'creation_rules:\n  - age: %s\n    mac_only_encrypted: true\n' "$first" >"$config"
CONFIG=$config seal comments.yaml yaml
rm "$config"
seal values.json json --age "$second" --unencrypted-suffix _clear
seal service.env dotenv --age "$first"
seal service.ini ini --age "$first"
seal blob.bin binary --age "$first"
