#!/usr/bin/env bash
# Run the whole suite on another release of Debian, in a root made from its packages.
#
#   tests/debian_root.sh                  on Debian 13 with Python 3.13
#   tests/debian_root.sh forky            on another release
#   tests/debian_root.sh trixie COMMAND…  runs this instead of .ci/run
#
# Needs root, Debian or Ubuntu, and 20 GB in .cache/. What is tested is the last commit. The root
# is kept: a second run installs only what has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

release=${1:-trixie}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- bash .ci/run
root=$PWD/.cache/debian-$release

if [ "$(id -u)" != 0 ]; then
  echo "tests/debian_root.sh: only root can make a root of Debian's packages; run it with sudo." >&2
  exit 2
fi
if ! command -v mmdebstrap >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap >/dev/null
fi

if [ ! -e "$root/made" ]; then
  rm -rf "$root"
  mkdir -p "${root%/*}"
  # What .ci/run expects of any machine; it installs the rest itself.
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,git,procps,python3 \
    "$release" "$root"
  touch "$root/made"
fi

# The way to the package registries is this machine's: names, certificates, what pip is told.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
[ -e /etc/pip.conf ] && cp -L /etc/pip.conf "$root/etc/"
wheels=${PIP_FIND_LINKS:-}
[ -d "$wheels" ] || wheels=
[ -z "$wheels" ] || mkdir -p "$root$wheels"
variables=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
while IFS= read -r one; do
  variables+=("$one")
done < <(env | grep -E '^(CI|PIP_[A-Z_]*|UV_[A-Z_]*|SSL_CERT_[A-Z]*|REQUESTS_CA_BUNDLE|[A-Za-z]*_(proxy|PROXY))=' || true)

# A clone of its own, which keeps the environment that the last run made there.
if [ -d "$root/course/.git" ]; then
  git -C "$root/course" fetch --quiet "$PWD" HEAD
  git -C "$root/course" checkout --quiet --detach FETCH_HEAD
else
  git clone --quiet "file://$PWD" "$root/course"
fi
chown -R 0:0 "$root/course/.git"

# Not chroot: the kernel refuses user namespaces, the sandbox's, to a process in one.
exec unshare --mount --pid --ipc --fork --kill-child --propagation private \
  bash -euo pipefail -c '
    root=$1 wheels=$2
    shift 2
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/run"
    [ -z "$wheels" ] || mount --bind -o ro "$wheels" "$root$wheels"
    cd "$root"
    mkdir -p outside
    pivot_root . outside
    umount --lazy /outside
    cd /course
    # Not exec: the first process of a PID namespace has to reap the orphans, as bash does.
    env -i "$@"
    exit
  ' debian_root "$root" "$wheels" "${variables[@]}" "$@" </dev/null
