#!/bin/sh
# Files for compose.local.yaml: an aggregator, four hospitals with made-up notes, one key and one roster among them.
# Needs the environment of `make install`; sudo (or root) hands the files to the images' user. Usage: try.sh [FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/try}
python=${PYTHON:-$here/../../.venv/bin/python}
case $python in /*) ;; *) python=$(command -v "$python") ;; esac
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
cd "$here/../.."
umask 077
mkdir -p "$folder"

"$python" -m crossward deploy init-aggregator "$folder/aggregator" --address gateway:8443 --port 9092 --state /state \
    --authority "$folder/authority"
"$python" -m crossward keys create "$folder/consortium.key"
"$python" -m crossward data make --form mimic-iii --out "$folder/notes" --hospitals 4 --patients 600 --split

number=0
for notes in "$folder"/notes/*; do
    number=$((number + 1))
    hospital=$folder/hospital-$number
    mkdir "$hospital"
    cp "$folder/consortium.key" "$hospital/"
    "$python" -m crossward deploy init-hospital "$hospital" --superlink gateway:8443 --site "Hospital $number" \
        --authority "$folder/aggregator/ca.crt" --key /hospital/consortium.key --data /data \
        --state "$folder/state-$number"
    sed -i "s|$folder/state-$number|/state|" "$hospital/hospital.toml"
    cp "$hospital/node.pub" "$folder/aggregator/nodes/hospital-$number.pub"
    mv "$notes" "$folder/notes-$number"
done
rmdir "$folder/notes"

set --
for number in 1 2 3 4; do
    set -- "$@" "Hospital $number=$folder/hospital-$number/identity.pub"
done
"$python" -m crossward members init "$folder/roster.json" "$@"
for number in 1 2 3 4; do
    "$python" -m crossward members sign "$folder/roster.json" --identity "$folder/state-$number/identity.pem" --yes
done
for number in 1 2 3 4; do
    cp "$folder/roster.json" "$folder/hospital-$number/"
done

if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
$sudo chown -R 49999:49999 "$folder"/aggregator "$folder"/hospital-* "$folder"/notes-* "$folder"/state-*
