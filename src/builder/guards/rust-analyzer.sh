#!/bin/sh
# The rust-analyzer of a toolchain without that component: the next one on PATH, which may be rustup's if it has one.
# Without any, a line names the component.
is_usable() {
	# Next to rustup it is a proxy, which fails without the component.
	[ ! -x "$1/rustup" ] || RUSTUP_AUTO_INSTALL=0 "$1/rustup" which rust-analyzer >/dev/null 2>&1
}

own=$(dirname -- "$0")
case :$PATH: in
*":$own:"*) passed='' ;;
*) passed=1 ;;
esac
IFS=:
set -f
for directory in $PATH; do
	if [ "$directory" = "$own" ]; then
		passed=1
	elif [ -n "$passed" ] && [ -x "$directory/rust-analyzer" ] && is_usable "$directory"; then
		exec "$directory/rust-analyzer" "$@"
	fi
done
echo "error: the toolchain of this dev shell has no \`rust-analyzer\`" >&2
echo "hint: write \`rust = { version = …, components = [\"rust-analyzer\", \"rust-src\"] }\` below \`[tools]\` of devshell.toml" >&2
exit 1
