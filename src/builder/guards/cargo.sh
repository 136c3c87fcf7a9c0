#!/bin/sh
# cargo itself. The programs of `cargo install` are not part of the dev shell, and one line says so.
if [ "${1-}" = install ]; then
	told=1
	for word in "$@"; do
		case $word in
		--root | --root=* | --list | -h | --help) told= ;;
		esac
	done
	if [ -n "$told" ]; then
		place=${CARGO_INSTALL_ROOT:-${CARGO_HOME:-\~/.cargo}}
		echo "devsh: \`cargo install\` writes to $place/bin, outside of this dev shell; \`devsh add\` keeps a tool with the project" >&2
	fi
fi
exec @PROGRAM@ "$@"
