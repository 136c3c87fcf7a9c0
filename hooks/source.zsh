# Runs the scripts of `[hooks] source` in zsh, and undoes their changes of the shell.
# Devsh prints this code only for projects with such scripts. It needs hook.zsh, which defines it without aliases.
#
# A snapshot of the shell maps `KIND:NAME` to a value: `v` variables and `x` exported variables to type and value,
# `a`, `g` and `s` aliases, `f` functions, `o` options. __devsh_olds and __devsh_news hold the entries that scripts
# changed, before and after.

# Runs the scripts in the files $@, with the user's options.
__devsh_source() {
  typeset -gA __devsh_options
  __devsh_options=("${(@kv)options[@]}")
  __devsh_begin
  {
    while (( $# )); do
      __devsh_run "$1" || :
      shift
    done
  } always {
    # After Ctrl-C in a script the shell still shows a prompt.
    TRY_BLOCK_INTERRUPT=0 TRY_BLOCK_ERROR=0
    __devsh_options=("${(@kv)options[@]}")
    __devsh_finish
  }
}

# The script gets no positional parameters.
__devsh_run() {
  typeset -g __devsh_file=$1
  builtin set --
  builtin source "$__devsh_file"
}

__devsh_begin() {
  emulate -L zsh
  local -A __devsh_list
  typeset -gA __devsh_before __devsh_olds __devsh_news
  typeset -g __devsh_sourced=yes
  typeset -ga __devsh_places
  __devsh_places=("$PWD" "$OLDPWD")
  __devsh_look
  __devsh_before=("${(@kv)__devsh_list}")
}

# Writes a snapshot of the shell into __devsh_list.
__devsh_look() {
  emulate -L zsh
  local __devsh_name
  __devsh_look_variables
  for __devsh_name in ${(k)aliases}; do __devsh_list[a:$__devsh_name]=$aliases[$__devsh_name]; done
  for __devsh_name in ${(k)galiases}; do __devsh_list[g:$__devsh_name]=$galiases[$__devsh_name]; done
  for __devsh_name in ${(k)saliases}; do __devsh_list[s:$__devsh_name]=$saliases[$__devsh_name]; done
  for __devsh_name in ${(k)functions:#__devsh_*}; do
    __devsh_list[f:$__devsh_name]=$functions[$__devsh_name]
  done
  for __devsh_name in ${(k)__devsh_options}; do
    __devsh_list[o:$__devsh_name]=$__devsh_options[$__devsh_name]
  done
}

__devsh_look_variables() {
  emulate -L zsh
  local __devsh_name __devsh_type
  local -a __devsh_entries
  for __devsh_name in ${(k)parameters}; do
    case $__devsh_name in
      # Variables of devsh, and variables that the shell itself updates.
      __devsh_*|DEVSH_DIFF|DEVSH_ROOT|DEVSH_SHELL|[^a-zA-Z_]*|_|ARGC|argv|COLUMNS|E[GU]ID|EPOCH*|ERRNO|epochtime|\
      func*trace|funcstack|[GU]ID|HISTCMD|LINENO|LINES|M(ATCH|BEGIN|END)|m(atch|begin|end)|OLDPWD|OPTARG|OPTIND|\
      pipestatus|PPID|PWD|RANDOM|REPLY|reply|SECONDS|SHLVL|status|TTY*|USERNAME|ZSH_EVAL_CONTEXT|zsh_eval_context|\
      keymaps|langinfo|mapfile|sysparams|term(cap|info)|WATCH|watch|widgets|zsh_scheduled_events)
        continue ;;
    esac
    __devsh_type=$parameters[$__devsh_name]
    case $__devsh_type in
      # A read-only variable cannot be restored. Of two tied variables one is enough.
      *readonly*|*hide*|*local*|scalar-tied|scalar-tied-special) ;;
      *export*) __devsh_list[x:$__devsh_name]=${(P)__devsh_name} ;;
      array*) __devsh_list[v:$__devsh_name]="array ${(j: :)${(@qq)${(@P)__devsh_name}}}" ;;
      association*)
        eval "__devsh_entries=(\"\${(@kv)$__devsh_name}\")"
        __devsh_list[v:$__devsh_name]="association ${(j: :)${(@qq)__devsh_entries}}"
        ;;
      *special*) __devsh_list[v:$__devsh_name]="special ${(P)__devsh_name}" ;;
      scalar) __devsh_list[v:$__devsh_name]="scalar ${(P)__devsh_name}" ;;
      *) __devsh_list[v:$__devsh_name]="typeset $(builtin typeset -p -- $__devsh_name)" ;;
    esac
  done
}

# Compares the shell with the snapshot from before the scripts.
__devsh_finish() {
  emulate -L zsh
  local -A __devsh_list
  local __devsh_key
  local -a __devsh_exports
  [[ $PWD == "$__devsh_places[1]" ]] || builtin cd -q -- "$__devsh_places[1]" || :
  OLDPWD=$__devsh_places[2]
  __devsh_look
  for __devsh_key in ${(k)__devsh_list} ${(k)__devsh_before}; do
    [[ $__devsh_key != x:* ]] || ! __devsh_differs || __devsh_take_export ${__devsh_key#x:}
  done
  # Restored exports change variables that are tied to them, such as `path` with `PATH`.
  if (( $#__devsh_exports )); then
    for __devsh_key in ${(Mk)__devsh_list:#[vx]:*}; do
      unset "__devsh_list[$__devsh_key]"
    done
    __devsh_look_variables
  fi
  for __devsh_key in ${(k)__devsh_list} ${(k)__devsh_before}; do
    __devsh_differs || continue
    (( ! $+__devsh_before[$__devsh_key] )) || __devsh_olds[$__devsh_key]=$__devsh_before[$__devsh_key]
    (( ! $+__devsh_list[$__devsh_key] )) || __devsh_news[$__devsh_key]=$__devsh_list[$__devsh_key]
  done
  unset -v __devsh_before __devsh_options __devsh_file
  (( ! $#__devsh_exports )) || __devsh_ask --sourced ${(u)__devsh_exports}
}

__devsh_differs() {
  [[ $+__devsh_list[$__devsh_key]$__devsh_list[$__devsh_key] != \
    "$+__devsh_before[$__devsh_key]$__devsh_before[$__devsh_key]" ]]
}

# Restores the exported variable $1 and collects its new value for the program, which adds it to the session: child
# shells must undo it, too.
__devsh_take_export() {
  if (( $+__devsh_list[x:$1] )); then
    __devsh_exports+=("$1=$__devsh_list[x:$1]")
  else
    __devsh_exports+=("$1")
  fi
  if (( $+__devsh_before[x:$1] )); then
    typeset -gx "$1=$__devsh_before[x:$1]"
  else
    unset -v $1
    (( ! $+__devsh_before[v:$1] )) || __devsh_declare $1 "$__devsh_before[v:$1]"
  fi
}

# Declares the variable $1 with the type and value in $2.
__devsh_declare() {
  local __devsh_type=${2%% *} __devsh_value=${2#* }
  local -a reply
  [[ ${(Pt)1}- == ${__devsh_type}-* || $__devsh_type == special || ${(Pt)1} == *special* ]] || unset -v $1
  case $__devsh_type in
    scalar) typeset -g "$1=$__devsh_value" ;;
    special) : ${(P)1::=$__devsh_value} ;;
    array) typeset -ga $1 && __devsh_entries $__devsh_value && set -A $1 "${(@)reply}" ;;
    association) typeset -gA $1 && __devsh_entries $__devsh_value && set -A $1 "${(@)reply}" ;;
    *) eval "${__devsh_value/#typeset /typeset -g }" ;;
  esac
}

# Sets reply to the entries of the quoted list $1.
__devsh_entries() {
  reply=()
  [[ -z ${1-} ]] || reply=("${(@Q)${(@z)1}}")
}

# Undoes every change that is still as the scripts left it, except options: `emulate` hides the user's options here.
__devsh_unsource() {
  emulate -L zsh
  setopt no_aliases
  local -A __devsh_list __devsh_options
  local -aU __devsh_keys
  local __devsh_key __devsh_name
  __devsh_look
  __devsh_keys=("${(@k)__devsh_olds}" "${(@k)__devsh_news}")
  for __devsh_key in $__devsh_keys; do
    __devsh_name=${__devsh_key#?:}
    [[ $__devsh_key != o:* ]] || continue
    if [[ $+__devsh_list[$__devsh_key]$__devsh_list[$__devsh_key] == \
      "$+__devsh_news[$__devsh_key]$__devsh_news[$__devsh_key]" ]]; then
      __devsh_take_back ${__devsh_key%%:*} "$__devsh_name"
    elif [[ $__devsh_key == v:* ]]; then
      __devsh_take_out $__devsh_name "$__devsh_olds[$__devsh_key]" "$__devsh_news[$__devsh_key]"
    fi
  done
  unset -v __devsh_sourced
}

# Restores the options that are still as the scripts left them. Runs with the user's options in effect.
__devsh_restore_options() {
  local __devsh_key
  for __devsh_key in "${(@k)__devsh_olds[@]}"; do
    case $__devsh_key in
      (o:*)
        if [[ "${options[${__devsh_key#o:}]-}" == "${__devsh_news[$__devsh_key]-}" ]]; then
          case "${__devsh_olds[$__devsh_key]-}" in
            (on) builtin setopt "${__devsh_key#o:}" ;;
            (off) builtin unsetopt "${__devsh_key#o:}" ;;
          esac
        fi
        ;;
    esac
  done
  builtin unset -v __devsh_olds __devsh_news __devsh_places
}

# Restores the entry of kind $1 and name $2, or removes it.
__devsh_take_back() {
  local __devsh_old=$__devsh_olds[$1:$2]
  case $1$+__devsh_olds[$1:$2] in
    v0) unset -v $2 ;;
    v1) __devsh_declare $2 "$__devsh_old" ;;
    a0) unset "aliases[$2]" ;;
    a1) aliases[$2]=$__devsh_old ;;
    g0) unset "galiases[$2]" ;;
    g1) galiases[$2]=$__devsh_old ;;
    s0) unset "saliases[$2]" ;;
    s1) saliases[$2]=$__devsh_old ;;
    f0) unset -f -- $2 ;;
    f1) functions[$2]=$__devsh_old ;;
  esac
}

# Undoes the scripts' changes of single entries of the list $1, which was changed again since then. $2 and $3 are its
# texts before and after the scripts.
__devsh_take_out() {
  local -a reply __devsh_left
  local -A __devsh_was __devsh_is __devsh_has
  local __devsh_entry
  case "${(Pt)1}:$3" in
    array*:array\ *)
      __devsh_entries "${3#* }"
      __devsh_left=("${(@)reply}")
      __devsh_entries "${${2#* }:#$2}"
      __devsh_left=("${(@)__devsh_left:|reply}")
      set -A $1 "${(@)${(@P)1}:|__devsh_left}"
      ;;
    association*:association\ *)
      __devsh_entries "${3#* }"
      __devsh_is=("${(@)reply}")
      __devsh_entries "${${2#* }:#$2}"
      __devsh_was=("${(@)reply}")
      eval "__devsh_has=(\"\${(@kv)$1}\")"
      for __devsh_entry in "${(@k)__devsh_is}"; do
        # An entry with another value than the scripts gave it stays.
        [[ $__devsh_has[$__devsh_entry] == "$__devsh_is[$__devsh_entry]" ]] || continue
        if (( $+__devsh_was[$__devsh_entry] )); then
          __devsh_has[$__devsh_entry]=$__devsh_was[$__devsh_entry]
        else
          unset "__devsh_has[$__devsh_entry]"
        fi
      done
      for __devsh_entry in "${(@k)__devsh_was}"; do
        (( $+__devsh_is[$__devsh_entry] || $+__devsh_has[$__devsh_entry] )) ||
          __devsh_has[$__devsh_entry]=$__devsh_was[$__devsh_entry]
      done
      set -A $1 "${(@kv)__devsh_has}"
      ;;
  esac
}
