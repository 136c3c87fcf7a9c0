# devsh hook for fish 3.6 and later.
#
# At each prompt __devsh_fresh checks with builtins whether anything changed. Only then the program runs.
# `builtin` bypasses the user's functions where fish does not reserve the name, and every name begins with __devsh_.

# Before the hook is loaded, variables with its names come from another process, which must not decide what runs here.
if not builtin functions -q __devsh_hook
    for __devsh_name in (set --names --export | string match -- "__devsh_*")
        set -e $__devsh_name
    end
end

function __devsh_fresh
    return 1
end

function __devsh_hook --on-event fish_prompt
    __devsh_fresh; or __devsh_update
end

# A key binding such as Alt-Left may have changed the directory since the prompt.
function __devsh_preexec --on-event fish_preexec
    test "$PWD" = "$__devsh_pwd"; or __devsh_hook
end

# Random, because output must not end in the mark by chance.
set -g __devsh_nonce (builtin random)(builtin random)$fish_pid
set -g __devsh_checks
set -q __devsh_path; or set -g __devsh_path
set -q __devsh_gone; or set -g __devsh_gone

function __devsh_update
    test -f @DEVSH@ -a -x @DEVSH@; or return 0
    set -q __devsh_watched[1]; and __devsh_compare; and __devsh_fresh; and return 0
    test "$__devsh_sourced" = begun; and __devsh_finish
    set -g __devsh_pwd $PWD
    # Ctrl-C ends this function, and the next prompt runs the program again.
    function __devsh_fresh
        return 1
    end
    __devsh_ask --loaded "$__devsh_loaded" --checks "$__devsh_checks" --path "$__devsh_path" --gone "$__devsh_gone"
    if not builtin contains -- $status 0 130
        # If the program fails, it runs again after a change of directory or `devsh reload`, not at every prompt.
        function __devsh_fresh
            test "$PWD" = "$__devsh_pwd"; and test "$PATH" = "$__devsh_path"
            and not count @RELOADS@/$fish_pid.* >/dev/null
        end
    end
    # Another tool that replaces `PATH` later makes the hook run the program again.
    set -g __devsh_path "$PATH"
end

# Makes the next command or prompt compare the variables $argv with their values now. The mark before the directory
# makes `__devsh_fresh` fail.
function __devsh_watch
    set -g __devsh_watched $argv
    __devsh_values
    set -g __devsh_seen $__devsh_now
    set -g __devsh_pwd "?$__devsh_pwd"
end

# Succeeds if the compared variables have not changed.
function __devsh_compare
    set -g __devsh_pwd (builtin string sub -s 2 -- $__devsh_pwd)
    __devsh_values
    set -l __devsh_changed
    for __devsh_name in $__devsh_watched
        set -l __devsh_at (builtin contains -i -- $__devsh_name $__devsh_watched)
        test "$__devsh_now[$__devsh_at]" = "$__devsh_seen[$__devsh_at]"; or set -a __devsh_changed $__devsh_name
    end
    set -g __devsh_watched
    test -n "$__devsh_changed"; or return 0
    set -g __devsh_former "$__devsh_changed!$__devsh_former"
    return 1
end

# Sets __devsh_now to the values of the compared variables.
function __devsh_values
    set -g __devsh_now
    for __devsh_name in $__devsh_watched
        set -qx $__devsh_name; and set -a __devsh_now "=$$__devsh_name"; or set -a __devsh_now -
    end
end

# Runs the program with the arguments $argv and evaluates its output. Fails if there is none that is complete.
function __devsh_ask
    # Old values may be secret, so they are no arguments, which everyone can read.
    test -n "$__devsh_former"; and set -lx __devsh_former $__devsh_former
    # A command substitution costs more: fish reads its output in another thread.
    command @DEVSH@ export fish --nonce "$__devsh_nonce" $argv | read --null --local __devsh_code
    set -l __devsh_status $pipestatus[1]
    test $__devsh_status -eq 0; or return $__devsh_status
    # Output that was cut short does not end in the mark and must not run.
    string match -q -- "*"\n"# devsh $__devsh_nonce"\n "$__devsh_code"; or return
    eval $__devsh_code
    return 0
end

# Checks are kept under their names, and the program prints only new ones: shells parse code slowly.
function __devsh_forget_checks
    for __devsh_name in $__devsh_checks
        builtin functions -e __devsh_fresh_$__devsh_name
    end
    set -g __devsh_checks
end

# Shell variables that the environment does not show: value and scope by name.
function __devsh_hold
    set -g __devsh_held yes
    for __devsh_name in $argv
        if set -qg $__devsh_name
            set -l __devsh_kind --unexport
            set -qgx $__devsh_name; and set __devsh_kind --export
            set -S $__devsh_name | string match -q '*global*a path variable*'; and set -a __devsh_kind --path
            set -g __devsh_held_kind_$__devsh_name $__devsh_kind
            set -g __devsh_held_value_$__devsh_name $$__devsh_name
            set -eg $__devsh_name
        else if set -qU $__devsh_name
            set -g __devsh_held_kind_$__devsh_name universal
        end
    end
    return 0
end

# Remembers that a list of the user, which gets more entries now, was not exported.
function __devsh_extend
    set -g __devsh_held yes
    set -g __devsh_held_kind_$argv unexport
end

function __devsh_release
    for __devsh_name in $argv
        set -l __devsh_kind __devsh_held_kind_$__devsh_name
        set -l __devsh_value __devsh_held_value_$__devsh_name
        set -q $__devsh_kind; or continue
        if test "$$__devsh_kind" = unexport
            set -gu $__devsh_name $$__devsh_name
            set -eg $__devsh_kind
            continue
        end
        set -eg $__devsh_name
        # The erased global variable hid a universal one, which is visible again.
        test "$$__devsh_kind" = universal; or set -g $$__devsh_kind $__devsh_name $$__devsh_value
        set -eg $__devsh_kind
        set -q $__devsh_value; and set -eg $__devsh_value
    end
    return 0
end

function __devsh_drop
    for __devsh_name in $argv
        set -l __devsh_kind __devsh_held_kind_$__devsh_name
        test "$$__devsh_kind" = unexport; and continue
        set -eg $__devsh_kind
        set -eg __devsh_held_value_$__devsh_name
    end
    return 0
end

# Restores every variable that is still held, because nothing is loaded any more.
function __devsh_forget
    __devsh_release (set --names | string replace -fr '^__devsh_held_kind_' '')
    set -eg __devsh_held
end

# Runs the leave scripts at exit.
function __devsh_exit --on-event fish_exit
    test "$__devsh_leaves" = yes; and command @DEVSH@ leave
    return 0
end

# Aliases are functions: three parallel lists of names, hidden definitions and new definitions. Other functions call a
# function too, such as the prompt of fish its `prompt_pwd`: for them an alias is what it hides.
function __devsh_alias --argument-names __devsh_name __devsh_value
    # Fish refuses functions with the names of its grammar. `block` and `source` have an effect on their caller.
    builtin contains -- $__devsh_name and argparse begin block break builtin case command continue else end eval exec for \
        function if not or read return set source status string switch test time while
    and return 0
    set -ga __devsh_alias_names $__devsh_name
    set -ga __devsh_alias_olds "$(__devsh_alias_text $__devsh_name)"
    set -l __devsh_program command $__devsh_name
    builtin contains -- $__devsh_name (builtin -n); and set __devsh_program[1] builtin
    set -l __devsh_hidden $__devsh_program
    if builtin functions -q $__devsh_name
        set __devsh_hidden __devsh_hidden_$__devsh_name
        builtin functions -e $__devsh_hidden
        builtin functions -c $__devsh_name $__devsh_hidden
        # Other shells would not call an alias that an alias hides either.
        string match -q -- "alias *" (builtin functions -Dv $__devsh_name)[5]; or set __devsh_program $__devsh_hidden
    end
    # A function that begins with its own name would call itself forever.
    if string match -q -- "$__devsh_name *" "$__devsh_value "
        set __devsh_value "$__devsh_program$(string sub -s (math 1 + (string length -- $__devsh_name)) -- $__devsh_value)"
    end
    set -l __devsh_about (string escape -- "alias $__devsh_name=$argv[2]")
    # The text is evaluated when the alias is used, not here: an `end` in it would close the function.
    set -l __devsh_body (string escape -- "$__devsh_value \$argv")
    # Without --wraps: fish keeps it after the function is erased.
    eval "function $__devsh_name --description $__devsh_about; if __devsh_is_typed; eval $__devsh_body
        else; $__devsh_hidden \$argv; end; end"
    set -ga __devsh_alias_news "$(__devsh_alias_text $__devsh_name)"
end

# Returns whether the user has typed the alias that calls this, in a line that runs now. Then the stack has no other
# function, and no file but one that the line sources. In each language, fish prints the name of a function in quotes, and
# begins the next line of a frame with a tab. The first frame is this substitution, and the user can type one too.
function __devsh_is_typed
    test -n "$(status current-commandline)"; or return
    set -l __devsh_names (string escape --style=regex -- __devsh_is_typed $__devsh_alias_names | string join '|')
    set -l __devsh_frames (status stack-trace | string match -rv '^\t')
    set -l __devsh_other (string escape --style=regex -- "$__devsh_frames[1]")
    string match -rq -- '^\s*(?:source|\.)\s' "$(status current-commandline)"; and set __devsh_other "[^'\"“”„‘’‚«»]*"
    not string match -rqv -- "^(?:$__devsh_other\$|[^'\"“”„‘’‚«»]*'(?:$__devsh_names)')" $__devsh_frames
end

# Prints the definition of the function $argv; nothing if there is no such function.
function __devsh_alias_text
    builtin functions -q $argv; and builtin functions --no-details $argv
end

function __devsh_restore_aliases
    for __devsh_name in $__devsh_alias_names
        set -l __devsh_at (builtin contains -i -- $__devsh_name $__devsh_alias_names)
        # An alias that the user has changed since then stays.
        test "$(__devsh_alias_text $__devsh_name)" = "$__devsh_alias_news[$__devsh_at]"; or builtin continue
        builtin functions -e $__devsh_name
        builtin functions -e __devsh_hidden_$__devsh_name
        builtin printf '%s\n' $__devsh_alias_olds[$__devsh_at] | builtin source
    end
    set -e __devsh_alias_names __devsh_alias_olds __devsh_alias_news
    return 0
end
