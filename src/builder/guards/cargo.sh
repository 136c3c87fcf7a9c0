#!/bin/sh
# cargo itself. `+TOOLCHAIN` is an argument for rustup, and the programs of `cargo install` are not part of the dev
# shell: a line says so.
case ${1-} in
+?*)
	echo "error: \`cargo $1\` needs rustup, and this dev shell has one toolchain" >&2
	echo "hint: add a dev shell to devshell.toml, \`[shells.NAME]\` with \`tools = { rust = \"${1#+}\" }\`, then \`devsh run --shell NAME -- cargo …\`" >&2
	exit 1
	;;
esac
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
