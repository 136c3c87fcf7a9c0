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
    builtin test -f @DEVSH@ -a -x @DEVSH@; or return 0
    builtin set -g __devsh_pwd $PWD
    # Should the program fail, it is asked again in another directory, not at every prompt.
    function __devsh_fresh
        builtin test "$PWD" = "$__devsh_pwd"
    end
    builtin set -l nonce (builtin random)(builtin random)$fish_pid
    builtin set -l code "$(command @DEVSH@ export fish --nonce $nonce --loaded "$__devsh_loaded")"; or return 0
    # Text that was cut short does not end in the mark and must not run.
    builtin string match -q -- "*# devsh $nonce" "$code"; or return 0
    builtin eval $code
end

# Variables: of each name its value and how it is set, where the environment does not tell.
function __devsh_hold
    builtin set -g __devsh_held yes
    for __devsh_name in $argv
        if builtin set -qg $__devsh_name
            builtin set -l kind --unexport
            builtin set -qgx $__devsh_name; and builtin set kind --export
            builtin set -S $__devsh_name | builtin string match -q '*global*a path variable*'; and builtin set -a kind --path
            builtin set -g __devsh_held_kind_$__devsh_name $kind
            builtin set -g __devsh_held_value_$__devsh_name $$__devsh_name
            builtin set -eg $__devsh_name
        else if builtin set -qU $__devsh_name
            builtin set -g __devsh_held_kind_$__devsh_name universal
        end
    end
    return 0
end

function __devsh_release
    for __devsh_name in $argv
        builtin set -l kind __devsh_held_kind_$__devsh_name
        builtin set -l value __devsh_held_value_$__devsh_name
        builtin set -q $kind; or continue
        builtin set -eg $__devsh_name
        # What stood behind is there again.
        builtin test "$$kind" = universal; or builtin set -g $$kind $__devsh_name $$value
        builtin set -eg $kind
        builtin set -q $value; and builtin set -eg $value
    end
    return 0
end

function __devsh_drop
    for __devsh_name in $argv
        builtin set -eg __devsh_held_kind_$__devsh_name
        builtin set -eg __devsh_held_value_$__devsh_name
    end
    return 0
end

function __devsh_forget
    for held in (builtin set --names | builtin string match '__devsh_held*')
        builtin set -eg $held
    end
end

# Has the scripts run when the shell exits, if they are to be.
function __devsh_exit --on-event fish_exit
    builtin test "$__devsh_leaves" = yes; and command @DEVSH@ leave
    return 0
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
