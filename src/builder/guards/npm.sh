#!/bin/sh
# npm itself. Projects share this node, so a global package is explained instead of written into it.
global='' command='' words=0
for word in "$@"; do
	case $word in
	-g | --global | --global=true | --location=global) global=1 ;;
	-*) ;;
	*)
		words=$((words + 1))
		[ -n "$command" ] || command=$word
		;;
	esac
done
case $command in
link | ln) [ $words -gt 1 ] || global=1 ;;
"" | bin | c | config | doctor | exec | explore | get | help | info | la | list | ll | ls | outdated | prefix | root | search | set | show | v | view | x) global= ;;
esac
if [ -n "$global" ]; then
	# The user may have another directory for global packages.
	case "$(@PROGRAM@ prefix --global 2>/dev/null)" in
	@OBJECT@ | @OBJECT@/*)
		echo "error: \`npm $command --global\` cannot change this node, because projects share it" >&2
		echo "hint: add a tool with \`devsh add npm:NAME\`, or run it once with \`npx NAME\`" >&2
		exit 1
		;;
	esac
fi
exec @PROGRAM@ "$@"
