# devsh hook for fish 3.6 and later.
#
# At each prompt __devsh_fresh asks builtins whether anything changed; only then is the program run.
# `builtin` keeps the user's functions out; every name begins with __devsh_.

function __devsh_fresh
    return 1
end

function __devsh_hook --on-event fish_prompt
    __devsh_fresh; or __devsh_update
end

function __devsh_update
    builtin test -x @DEVSH@; or return 0
    builtin set -g __devsh_pwd $PWD
    # Should the program fail, it is asked again in another directory, not at every prompt.
    function __devsh_fresh
        builtin test "$PWD" = "$__devsh_pwd"
    end
    builtin set -l nonce (builtin random)(builtin random)$fish_pid
    builtin set -l code (command @DEVSH@ export fish --nonce $nonce --loaded "$__devsh_loaded" | builtin string collect)
    # Text that was cut short does not end in the mark and must not run.
    builtin string match -q -- "*# devsh $nonce" "$code"; or return 0
    builtin eval $code
end

# Aliases are functions: three parallel lists of names and of the definitions hidden and set.
function __devsh_alias --argument-names name value
    builtin set -ga __devsh_alias_names $name
    builtin set -ga __devsh_alias_olds "$(__devsh_alias_text $name)"
    # A function that wraps the command of its own name would call itself for ever.
    builtin set -l head
    builtin string match -q -- "$name *" "$value "; and builtin set head command
    builtin set -l about (builtin string escape -- "alias $name=$value")
    # Without --wraps, which would stay with the name when the function is gone.
    builtin eval "function $name --description $about; $head $value \$argv; end"
    builtin set -ga __devsh_alias_news "$(__devsh_alias_text $name)"
end

# Prints the definition of the function $argv; nothing when there is none.
function __devsh_alias_text
    builtin functions -q $argv; and builtin functions --no-details $argv
end

function __devsh_restore_aliases
    for name in $__devsh_alias_names
        builtin set -l at (builtin contains -i -- $name $__devsh_alias_names)
        # An alias that the user changed meanwhile is the user's.
        builtin test "$(__devsh_alias_text $name)" = "$__devsh_alias_news[$at]"; or builtin continue
        builtin functions -e $name
        builtin printf '%s\n' $__devsh_alias_olds[$at] | builtin source
    end
    builtin set -e __devsh_alias_names __devsh_alias_olds __devsh_alias_news
    return 0
end
