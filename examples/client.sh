#!/bin/sh
# The HTTP API from a shell, with curl: send a photo and save its picture. One request, which waits for the picture.
#
# PHOTOCHANGER_INGEST_PASSWORD=… sh examples/client.sh http://127.0.0.1:8000 slot-002 photo.jpg finished.jpg
set -eu

if [ $# -ne 4 ]; then
  echo "usage: client.sh URL SLOT PHOTO FINISHED" >&2
  exit 2
fi
url=${1%/} slot=$2 photo=$3 finished=$4

# The password is read from a configuration, so that the list of processes does not show it.
password=$(printf %s "${PHOTOCHANGER_INGEST_PASSWORD?}" | sed 's/[\\"]/\\&/g')
answer=$(mktemp "$finished.XXXXXX")
trap 'rm -f "$answer"' EXIT

# One key for all tries: a photo that arrived is not worked on twice. curl tries again after 429 and 503, and when the
# service cannot be reached.
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
if ! status=$(printf 'form-string = "password=%s"\n' "$password" | curl --silent --show-error --config - \
  --form "fileToUpload=@\"$photo\"" --header "Idempotency-Key: $key" \
  --connect-timeout 3 --max-time 75 --retry 3 --retry-connrefused --retry-max-time 150 \
  --output "$answer" --write-out '%{http_code} %{content_type}' "$url/ingest/$slot"); then
  exit 1
fi
case $status in
  "200 image/"*)
    mv "$answer" "$finished"
    echo "200: $(wc -c <"$finished") bytes of ${status#200 } in $finished"
    ;;
  *) # the problem in JSON: its code, and what to do
    sed 's/.*"detail":"\([^"]*\)".*"code":"\([^"]*\)".*/\2: \1/; s/.*"code":"\([^"]*\)".*"detail":"\([^"]*\)".*/\1: \2/' "$answer" >&2
    exit 1
    ;;
esac
