#!/bin/sh
# uv itself; what would change the packages of this environment by hand is told how it is done here.
guarded=
case "${1-} ${2-}" in
"pip install" | "pip uninstall" | "pip sync") guarded=1 ;;
"sync "*)
	# A script that begins with it goes on.
	guarded=sync
	;;
esac
for word in "$@"; do
	case "$word" in
	--python | --python=* | -p | --target | --target=* | --prefix | --prefix=* | --system | --help | -h) guarded= ;;
	esac
done
if [ "$guarded" = sync ]; then
	echo "this environment is kept as the lockfile says; after a change run \`devsh sync\`" >&2
	exit 0
fi
if [ -n "$guarded" ]; then
	echo "error: this environment is as the project's lockfile says, and devsh keeps it so" >&2
	echo "hint: change the project (\`uv add NAME\`), then run \`devsh sync\`" >&2
	exit 2
fi
exec @UV@ "$@"
