#!/bin/sh
# Builds devsh from this source tree and installs it for the current user.
#
# Everything is in functions, and the last line calls `main`: a script that was cut short does nothing.
set -eu

usage() {
  cat <<'TEXT'
Usage: ./install.sh [--rc] [--uninstall]

Builds devsh and installs it to ~/.local/bin; PREFIX=DIR installs to DIR/bin.

  --rc         also add the hook and the completions to the rc file of your login shell
  --uninstall  remove what this script installed, as `devsh self uninstall` does
  --help       print this text
TEXT
}

say() {
  printf '%s\n' "$*"
}

die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

# Prints $1 as one word for the shell $2. Only fish interprets `\` inside single quotes.
quoted() {
  case $1 in
    *[!A-Za-z0-9_./~+@%:,-]*)
      case $2 in
        fish) printf "'%s'" "$(printf '%s\n' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/\\\\'/g")" ;;
        *) printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")" ;;
      esac
      ;;
    *) printf '%s' "$1" ;;
  esac
}

# Prints the musl target of this machine if a program can be linked for it here.
static_target() {
  [ "$(uname -s)" = Linux ] || return 1
  target=$(uname -m)-unknown-linux-musl
  if command -v rustup >/dev/null 2>&1; then
    rustup target list --installed 2>/dev/null | grep -qx "$target" ||
      rustup target add "$target" >/dev/null 2>&1 ||
      return 1
  else
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || return 1
  fi
  command -v musl-gcc >/dev/null 2>&1 || return 1
  printf '%s' "$target"
}

# Runs a command in the source tree: cargo reads `.cargo/config.toml` of the working directory.
in_source() {
  (cd "$source" && "$@")
}

# Builds the program and sets $built to its path.
build() {
  command -v cargo >/dev/null 2>&1 ||
    die 'cargo is not installed' 'install Rust from https://rustup.rs, then run this again'
  out=${CARGO_TARGET_DIR:-$source/target}
  case $out in /*) ;; *) out=$PWD/$out ;; esac
  if target=$(static_target); then
    say "building devsh ($target)"
    if in_source cargo build --release --locked --quiet --target-dir "$out" --target "$target" --bin devsh; then
      built=$out/$target/release/devsh
      return
    fi
    say 'note: the static build does not work here; building a dynamic one'
  elif [ "$(uname -s)" = Linux ]; then
    say 'note: no musl target or no musl-gcc here; building a dynamic program, which starts more slowly'
  fi
  say 'building devsh'
  in_source cargo build --release --locked --quiet --target-dir "$out" --bin devsh
  built=$out/release/devsh
}

# Writes standard input to $1 atomically, with mode $2. An equal file stays untouched.
place() {
  mkdir -p "$(dirname "$1")"
  new=$1.new.$$
  cat >"$new"
  chmod "$2" "$new"
  if cmp -s "$new" "$1"; then
    rm -f "$new"
  else
    mv -f "$new" "$1"
  fi
}

# Prints the line for the rc file of shell $1.
hook_line() {
  word=$(quoted "$hooks/hook.$1" "$1")
  case $1 in
    fish) say "source $word" ;;
    *) say ". $word" ;;
  esac
}

# Prints the line for the rc file of shell $1 that loads completions; fish needs none.
completions_line() {
  [ "$1" = fish ] || say ". $(quoted "$hooks/completions.$1" "$1")"
}

# Prints the rc file of shell $1.
rc_file() {
  case $1 in
    bash) say "$HOME/.bashrc" ;;
    zsh) say "${ZDOTDIR:-$HOME}/.zshrc" ;;
    fish) say "${XDG_CONFIG_HOME:-$HOME/.config}/fish/config.fish" ;;
  esac
}

login_shell() {
  name=$(basename "${SHELL:-bash}")
  case $name in
    bash | zsh | fish) say "$name" ;;
    *) say bash ;;
  esac
}

write_hooks() {
  for shell in bash zsh fish; do
    "$bin/devsh" hook "$shell" >"$hooks.$shell.$$" || die "\`devsh hook $shell\` does not work"
    place "$hooks/hook.$shell" 644 <"$hooks.$shell.$$"
    rm -f "$hooks.$shell.$$"
  done
}

# Prints the file that shell $1 loads completions for devsh from.
completion_file() {
  case $1 in
    bash) say "$data/bash-completion/completions/devsh" ;;
    zsh) say "$data/zsh/site-functions/_devsh" ;;
    fish) say "$data/fish/vendor_completions.d/devsh.fish" ;;
  esac
}

write_completions() {
  for shell in bash zsh fish; do
    "$bin/devsh" completions "$shell" >"$hooks.$shell.$$" || die "\`devsh completions $shell\` does not work"
    place "$(completion_file "$shell")" 644 <"$hooks.$shell.$$"
    rm -f "$hooks.$shell.$$"
  done
  # Without the package bash-completion, nothing else loads the file. zsh needs `compinit`, which only reads
  # the file at the first TAB.
  say ". $(quoted "$(completion_file bash)" bash)" | place "$hooks/completions.bash" 644
  zsh_file=$(completion_file zsh)
  {
    say "fpath=($(quoted "$(dirname "$zsh_file")" zsh) \$fpath)"
    say 'if (( ! $+functions[compdef] )); then autoload -Uz compinit && compinit -i; fi'
    say ". $(quoted "$zsh_file" zsh)"
  } | place "$hooks/completions.zsh" 644
  "$bin/devsh" man --write "$data/man/man1" || die "\`devsh man\` does not work"
}

# Adds the line $2 to the rc file $1, once.
add_line() {
  [ -n "$2" ] || return 0
  if [ -f "$1" ] && grep -qxF "$2" "$1"; then
    return
  fi
  # The last line may lack its newline.
  if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then
    say '' >>"$1"
  fi
  say "$2" >>"$1"
}

add_to_rc() {
  shell=$(login_shell)
  rc=$(rc_file "$shell")
  mkdir -p "$(dirname "$rc")"
  add_line "$rc" "$(hook_line "$shell")"
  add_line "$rc" "$(completions_line "$shell")"
  say "$rc loads the hook and the completions; start a new shell to use them"
}

install() {
  # Others must not change what is installed: devsh would refuse its directories.
  umask 022
  build
  mkdir -p "$hooks"
  place "$bin/devsh" 755 <"$built"
  write_hooks
  write_completions
  say "installed $bin/devsh"
  case :$PATH: in
    *":$bin:"*) ;;
    *) say "note: $bin is not on PATH" ;;
  esac
  if [ "$with_rc" = yes ]; then
    add_to_rc
  else
    shell=$(login_shell)
    say "add this to the end of $(rc_file "$shell"), or run \`./install.sh --rc\`:"
    say ''
    say "  $(hook_line "$shell")"
    line=$(completions_line "$shell")
    [ -z "$line" ] || say "  $line"
  fi
}

uninstall() {
  if [ -x "$bin/devsh" ]; then
    "$bin/devsh" self uninstall
  else
    say "there is no $bin/devsh"
  fi
}

main() {
  action=install
  with_rc=no
  for argument in "$@"; do
    case $argument in
      --rc) with_rc=yes ;;
      --uninstall) action=uninstall ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) die "unknown option \`$argument\`" "run \`./install.sh --help\`" ;;
    esac
  done
  [ -n "${HOME:-}" ] || die 'HOME is not set'
  source=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  bin=${PREFIX:-$HOME/.local}/bin
  data=${XDG_DATA_HOME:-$HOME/.local/share}
  hooks=$data/devsh/hooks
  "$action"
}

main "$@"
