#!/usr/bin/env bash
# Installs grantd from this checkout as a systemd service. See --help.
set -euo pipefail
umask 022 # what is secret is closed by itself

help() {
  cat <<'EOF'
Installs grantd on this machine as a systemd service, from a checkout of its
source. Run it as root; running it again changes nothing that is right already.

Usage: scripts/install.sh [MODE] [OPTION]...

Modes:
  (none)              install; over an older version: upgrade
  --upgrade           replace the binary and the units, and go back to the old
                      ones, the ledger too, unless the service is healthy after
  --rollback          go back to the version before the last upgrade
  --uninstall         remove the binary and the units; the configuration and the
                      ledger stay

Options:
  --binary FILE       install this binary; else it is built, for which Go is needed
  --prefix DIR        where bin/grantd goes (default: where it is, else /usr/local)
  --root DIR          install below DIR, for an image; nothing is started
  --wait SECONDS      how long to wait for the service to be healthy (default 60)
  --no-start          do not start the service
  --purge             with --uninstall: remove the configuration and the ledger too
  --dry-run           print what would be done, and do nothing
  --help              print this

Healthy is a service that is ready, answers on its control socket, and five
seconds later is the same process and answers again. Whether Auth0 can be reached
says nothing about a version, so it does not count; grantd doctor looks at that.

Examples:
  sudo scripts/install.sh
  sudo scripts/install.sh --binary dist/grantd-linux-amd64
  sudo scripts/install.sh --upgrade --binary ~/grantd-linux-arm64 --wait 120
  sudo scripts/install.sh --uninstall --purge
  scripts/install.sh --root /tmp/image --prefix /usr --binary bin/grantd

Exit codes: 0 done, 1 failed (after a failed upgrade the old version runs again),
2 wrong usage.
EOF
}

say() { printf 'install.sh: %s%s\n' "${dry:+would then say: }" "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'install.sh: %s; --help says how to use it\n' "$*" >&2; exit 2; }

mode='' binary='' prefix='' root='' wait=60 start=yes purge='' dry=''
set_mode() { [ -z "$mode" ] || misuse "more than one mode"; mode=$1; }
while [ $# -gt 0 ]; do
  case $1 in
    --binary | --prefix | --root | --wait) [ -n "${2:-}" ] || misuse "$1 wants a value" ;;
  esac
  case $1 in
    --upgrade) set_mode upgrade ;;
    --rollback) set_mode rollback ;;
    --uninstall) set_mode uninstall ;;
    --binary) binary=$2; shift ;;
    --prefix) prefix=${2%/}; shift ;;
    --root) root=${2%/}; shift ;;
    --wait) wait=$2; shift ;;
    --no-start) start='' ;;
    --purge) purge=yes ;;
    --dry-run) dry=yes ;;
    -h | --help) help; exit 0 ;;
    *) misuse "what is $1?" ;;
  esac
  shift
done
mode=${mode:-install}
[[ $wait =~ ^[1-9][0-9]*$ ]] || misuse "--wait wants seconds, not $wait"
[ -z "$purge" ] || [ "$mode" = uninstall ] || misuse "--purge goes with --uninstall"

source_dir=$(cd "$(dirname "$0")/.." && pwd)
etc=$root/etc/grantd
env_file=$etc/grantd.env
units=$root/etc/systemd/system
[ -n "$prefix" ] || prefix=$(sed -n 's#^ExecStart=\(/.*\)/bin/grantd .*#\1#p' "$units/grantd.service" 2>/dev/null || true)
prefix=${prefix:-/usr/local}
# It stands in the units, where other characters would have to be quoted.
[[ $prefix =~ ^/[A-Za-z0-9/._+-]+$ ]] || misuse "--prefix wants an absolute path of letters, digits and /._+-, not $prefix"
bin=$root$prefix/bin/grantd
state=$root/var/lib/grantd
# The binary and the units of the version before. No instance of the template
# has its state there, whatever its name.
kept=$state.previous
# The same while an upgrade has begun, and neither held nor gone back; and in
# "running" what ran then.
begun=$state.upgrade
unit_names=(grantd.service grantd@.service)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run does what it is told, or says it.
run() {
  if [ -n "$dry" ]; then printf 'would run:'; printf ' %q' "$@"; printf '\n'; else "$@"; fi
}

[ -n "$dry" ] || [ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail "only root can install a service; try sudo"
# packaged says that grantd is installed as a package too.
packaged() {
  [ -z "$root" ] || return 1
  [ "$(dpkg-query -W -f '${db:Status-Status}' grantd 2>/dev/null)" = installed ] || rpm -q grantd >/dev/null 2>&1
}
# What was installed by script stands before the package, so that may go.
if packaged && [ "$mode$purge" != uninstall ]; then
  fail "grantd is installed as a package here: upgrade and remove it with apt, dnf or rpm"
fi

# Of two at once the second changes nothing: each would copy and replace what the
# other has half done. What is open is locked, so that nothing stays behind.
lock() {
  local at=${root:-/run}
  [ -z "$dry" ] && [ -d "$at" ] && command -v flock >/dev/null || return 0
  exec 9<"$at"
  flock -n 9 || fail "another install.sh is at work here; nothing was changed"
}
lock

# live says that there is a systemd to talk to.
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# systemctl of the machine itself; an image has none that runs.
ctl() { if live; then run systemctl "$@"; fi; }

# instances [STATE] are the running units, the service and those of its template,
# those in that state, and those that ran when an upgrade began that was cut short.
instances() {
  live || return 0
  {
    systemctl list-units --plain --no-legend --state="active,activating,reloading${1:+,$1}" 'grantd.service' 'grantd@*.service' | cut -d' ' -f1
    cat "$begun/running" 2>/dev/null || true
  } | sed '/./!d' | sort -u
}

configured() { [ -n "$(setting MGMT_DOMAIN)$(setting AUTH0_TENANT_DOMAIN)" ]; }

# setting NAME [FILE] is a value that the configuration has, a path or the like.
setting() {
  sed -n "s/\r$//;s/^[[:blank:]]*\(export[[:blank:]]\{1,\}\)\{0,1\}$1[[:blank:]]*=//p" "${2:-$env_file}" 2>/dev/null | tail -n 1 |
    sed "s/^[[:blank:]]*\"\([^\"]*\)\".*/\1/;t;s/^[[:blank:]]*'\([^']*\)'.*/\1/;t;s/[[:blank:]]#.*//;s/^[[:blank:]]*//;s/[[:blank:]]*$//" || true
}

socket() {
  local at
  at=$(setting GRANTD_SOCKET)
  [ -n "$at" ] || at=$(setting GRANTD_STATE_DIR)/grantd.sock
  [ "$at" != /grantd.sock ] || at=$state/grantd.sock
  echo "$at"
}

# well UNIT... says that all are active, and that the service answers; of the
# template's instances being active has to do.
well() {
  local unit
  for unit in "$@"; do systemctl is-active --quiet "$unit" || return 1; done
  [[ " $* " != *" grantd.service "* ]] || timeout 10 "$bin" hold list --socket "$(socket)" >/dev/null 2>&1
}

# brought_up restart|start UNIT... does that, and waits until all are healthy or
# the time is over.
brought_up() {
  local end=$((SECONDS + wait)) verb=$1 processes
  shift
  # systemd itself would wait 90 s for one that hangs. What comes of it tells.
  run timeout --foreground "$wait" systemctl "$verb" "$@" || true
  [ -z "$dry" ] || return 0
  while [ "$SECONDS" -lt "$end" ]; do
    processes=$(systemctl show -p NRestarts -p MainPID "$@")
    well "$@" || { sleep 1; continue; }
    sleep 5
    [ "$processes" = "$(systemctl show -p NRestarts -p MainPID "$@")" ] && well "$@" && return 0
  done
  return 1
}

obtain() {
  if [ -z "$binary" ]; then
    local -r instead="build it as yourself with scripts/build, and add --binary bin/grantd"
    command -v go >/dev/null || fail "there is no Go in the PATH of $(id -un), so nothing can be built: $instead"
    binary=$work/grantd
    "$source_dir/scripts/build" "$binary" >/dev/null || fail "the build failed; if it is the checkout's owner that matters, $instead"
  fi
  [ -f "$binary" ] || fail "there is no file $binary"
  [ "$(head -c 4 "$binary" | tail -c 3)" = ELF ] || fail "$binary is not a binary; nothing was changed"
  [ -z "$root$dry" ] || return 0
  # Tried where it will be: temporary files may not be run on every machine.
  install -D -m 0755 "$binary" "$bin.new"
  [[ $(timeout 30 "$bin.new" version 2>/dev/null) == 'grantd '* ]] || {
    rm -f "$bin.new"
    fail "$binary does not run on this machine ($(uname -m)), or is not grantd; nothing was changed"
  }
}

# place puts a file in place whole: whoever opens it finds the old or the new.
place() {
  run install -D -m "$1" "$2" "$3.new"
  run mv -f "$3.new" "$3"
}

# unit_of NAME is the unit with the binary where it will be.
unit_of() { sed "s#/usr/bin/grantd#$prefix/bin/grantd#" "$source_dir/configs/$1"; }

place_units() {
  local unit
  for unit in "${unit_names[@]}"; do
    unit_of "$unit" >"$work/$unit"
    place 0644 "$work/$unit" "$units/$unit"
  done
}

# changes says that the binary or a unit will be another.
changes() {
  local unit
  [ ! -e "$begun" ] && cmp -s "$binary" "$bin" || return 0
  for unit in "${unit_names[@]}"; do
    unit_of "$unit" | cmp -s - "$units/$unit" || return 0
  done
  return 1
}

enable() {
  if live; then
    ctl --quiet enable grantd.service
  else
    run mkdir -p "$units/multi-user.target.wants"
    run ln -sfn ../grantd.service "$units/multi-user.target.wants/grantd.service"
  fi
}

installed() { [ -e "$bin" ] && [ -e "$units/grantd.service" ]; }

do_install() {
  obtain
  if installed && changes; then
    do_upgrade
    return
  fi
  local fresh=yes
  [ ! -e "$units/grantd.service" ] || fresh=''
  place 0755 "$binary" "$bin"
  place_units
  [ -d "$etc" ] || run install -d -m 0755 "$etc"
  if [ ! -e "$env_file" ]; then run install -m 0600 "$source_dir/configs/grantd.env.example" "$env_file"; fi
  if [ -n "$(find "$env_file" -perm /077 2>/dev/null)" ]; then say "others than root can open $env_file, which holds secrets: chmod 0600 $env_file"; fi
  ctl daemon-reload
  [ -z "$fresh" ] || enable # afterwards it is as the administrator has it
  say "installed $bin"
  if ! configured; then
    say "not yet configured: edit $env_file (or: $bin setup --env-file $env_file), then systemctl start grantd"
  elif ! live; then
    say "not started: no systemd runs here"
  elif [ -z "$start" ]; then
    say "not started: systemctl start grantd"
  else
    brought_up start grantd.service || fail "the service is not healthy after $wait s: journalctl -u grantd says why"
    say "the service is healthy"
  fi
}

# begin UNIT... copies what is there to where a way back finds it, and notes what
# runs. After an upgrade that was cut short it is there already.
begin() {
  local unit
  [ ! -e "$begun" ] || return 0
  printf '%s\n' "$@" >"$work/running"
  run rm -rf "$begun.new"
  run install -d -m 0755 "$begun.new"
  run cp -p "$bin" "$work/running" "$begun.new/"
  for unit in "${unit_names[@]}"; do [ ! -e "$units/$unit" ] || run cp -p "$units/$unit" "$begun.new/"; done
  run mv "$begun.new" "$begun"
}

do_upgrade() {
  if ! changes; then
    run rm -f "$bin.new"
    say "$bin and its units are up to date"
    return
  fi
  local -a running
  mapfile -t running < <(instances)
  begin "${running[@]}"
  trap 'fail "interrupted: --upgrade finishes it, --rollback goes back"' INT TERM HUP
  place 0755 "$binary" "$bin"
  place_units
  ctl daemon-reload
  say "upgraded $bin"
  if [ ${#running[@]} -eq 0 ]; then
    say "no service was running, and none was started"
  elif brought_up restart "${running[@]}"; then
    say "the service is healthy"
  else
    say "the new version is not healthy after $wait s; going back"
    systemctl --no-pager --lines=10 status "${running[@]}" || true
    go_back "$begun" "${running[@]}"
    fail "the upgrade failed, and the version before runs again"
  fi
  run rm -rf "$kept"
  run mv "$begun" "$kept"
  say "the version before is in $kept"
}

# go_back DIR UNIT... restores the version that was kept there, and starts the
# units again.
go_back() {
  local from=$1 unit
  shift
  if [ $# -gt 0 ]; then ctl stop "$@" || true; fi # a start that fails tells
  place 0755 "$from/grantd" "$bin"
  for unit in "${unit_names[@]}"; do
    if [ -e "$from/$unit" ]; then place 0644 "$from/$unit" "$units/$unit"; else run rm -f "$units/$unit"; fi
  done
  ctl daemon-reload
  restore_ledgers
  run rm -rf "$begun"
  [ $# -gt 0 ] || return 0
  ctl reset-failed "$@" || true
  brought_up start "$@" || fail "the version before is not healthy either: journalctl -u grantd says why"
}

# reads FILE: the binary can read this ledger.
reads() {
  local code=0
  "$bin" ledger check "$1" >/dev/null 2>&1 || code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 3 ]
}

# restore_ledgers puts back the copies from before a migration, where the older
# version cannot read what the newer one has made of a ledger. It checks them
# first, and keeps what it replaces. An instance of the template has its state in
# a directory by its name.
restore_ledgers() {
  local env dir
  for env in "$etc"/*.env; do
    [ -e "$env" ] || continue
    dir=$(setting GRANTD_STATE_DIR "$env")
    if [ -z "$dir" ]; then
      dir=$state
      [ "$env" = "$env_file" ] || dir=$state-$(basename "$env" .env)
    fi
    restore_ledger "$env" "$dir/grantd.db"
  done
}

restore_ledger() {
  local env=$1 ledger=$2 copy
  if [ ! -e "$ledger" ] || reads "$ledger"; then return; fi
  local -a copies
  mapfile -t copies < <(printf '%s\n' "$ledger".schema-* | sort -rV)
  for copy in "${copies[@]}"; do
    if reads "$copy"; then
      say "$ledger is of the newer version: restoring $copy"
      STATE_DIRECTORY=$(dirname "$ledger") run "$bin" ledger restore --env-file "$env" "$copy" ||
        say "$copy was not restored: see docs/install.md, Going back by hand"
      return 0
    fi
  done
  say "$ledger cannot be read by the version before, and there is no copy that can: see docs/ledger.md"
}

do_rollback() {
  local from=$kept
  [ ! -e "$begun" ] || from=$begun
  [ -e "$from/grantd" ] || fail "there is no earlier version in $from"
  local -a running
  mapfile -t running < <(instances failed) # for good, it may be, which is why somebody goes back
  go_back "$from" "${running[@]}"
  say "the version before is back: $("$bin" version | head -n 1)"
}

do_uninstall() {
  local unit
  if live; then
    local -a running
    mapfile -t running < <(instances)
    [ ${#running[@]} -eq 0 ] || ctl stop "${running[@]}"
    [ ! -e "$units/grantd.service" ] || ctl --quiet disable grantd.service
  else
    run rm -f "$units/multi-user.target.wants/grantd.service"
  fi
  for unit in "$units"/multi-user.target.wants/grantd@*.service "$units"/grantd.service "$units"/grantd@.service; do
    if [ -e "$unit" ] || [ -L "$unit" ]; then run rm -f "$unit"; fi
  done
  run rm -rf "$bin" "$bin.new" "$kept" "$begun" "$begun.new"
  ctl daemon-reload
  if [ -n "$purge" ]; then
    for unit in "$etc"/*.env; do
      unit=$(basename "$unit" .env)
      run rm -rf "$state-$unit" "$root/var/lib/private/grantd-$unit"
    done
    run rm -rf "$etc" "$state" "$root/var/lib/private/grantd"
    say "removed, with configuration and ledger"
  else
    say "removed; $etc and $state stay, and --uninstall --purge removes them too"
    if packaged; then say "the package is there still: systemctl enable --now grantd"; fi
  fi
}

case $mode in
  install) do_install ;;
  upgrade)
    installed || fail "there is no $bin with a unit to upgrade: install it, without --upgrade"
    obtain
    do_upgrade
    ;;
  rollback) do_rollback ;;
  uninstall) do_uninstall ;;
esac
