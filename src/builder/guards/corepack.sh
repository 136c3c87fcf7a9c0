#!/bin/sh
# corepack itself. Projects share this node, so links to package managers are explained instead of written into it.
case ${1-} in
enable | disable)
	for word in "$@"; do
		case $word in
		--install-directory | --install-directory=* | -h | --help) exec @PROGRAM@ "$@" ;;
		esac
	done
	echo "error: \`corepack $1\` cannot change this node, because projects share it" >&2
	echo "hint: add the package manager with \`devsh add npm:pnpm\` or \`devsh add npm:yarn\`" >&2
	exit 1
	;;
esac
exec @PROGRAM@ "$@"
