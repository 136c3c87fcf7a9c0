# Runs the scripts of `[hooks] source` in fish, and undoes their changes of the shell.
# Devsh prints this code only for projects with such scripts. It needs hook.fish.
#
# __devsh_old_KIND and __devsh_new_KIND are snapshots from before and after the scripts, later reduced to the entries
# that are in one of them only. Kinds are exports and variables, as `set` prints them, completions and abbreviations,
# as `complete` and `abbr` print them, and functions: names, with a parallel list of definitions.

# Runs the scripts in the files $argv.
function __devsh_source
    set -g __devsh_before_pwd $PWD
    set -g __devsh_before_prev $dirprev
    set -g __devsh_before_next $dirnext
    for kind in exports variables completions abbreviations names
        set -g __devsh_old_$kind (__devsh_look $kind)
    end
    # Scripts can redefine only functions that they name, so only those definitions are kept.
    set -l words
    for file in $argv
        set -a words (string match -ra -- '[^\s;&|()\'"=$]+' <$file)
    end
    set -g __devsh_functions
    set -g __devsh_old_functions
    set words (string escape --style=regex -- $words | string join '|')
    for name in (string match -r -- "^(?:$words)\$" $__devsh_old_names)
        set -a __devsh_functions $name
        set -a __devsh_old_functions "$(__devsh_alias_text $name)"
    end
    # If a script is interrupted, the next prompt finishes the work.
    function __devsh_fresh
        return 1
    end
    set -g __devsh_sourced begun
    for file in $argv
        __devsh_run $file
    end
    __devsh_finish
end

# The script gets no arguments and no local variables of the caller.
function __devsh_run
    builtin source $argv
end

# Prints a snapshot of the kind $argv.
function __devsh_look
    switch $argv
        case exports
            set -gxL | string match -rv -- $__devsh_own
        case variables
            set -guL | string match -rv -- $__devsh_own
        case completions
            builtin complete
        case abbreviations
            abbr
        case names
            builtin functions -an | string match -v -- '__devsh_*'
    end
end

# Variables of devsh, and variables that the shell itself updates.
set -g __devsh_own '^(__devsh_.*|DEVSH_(DIFF|ROOT|SHELL)|_|argv|CMD_DURATION|COLUMNS|LINES|dir(next|prev)|OLDPWD|PWD' \
    '|fish_killring|fish_kill_signal|fish_pid|FISH_VERSION|history|hostname|pipestatus|SHLVL|status(_generation)?' \
    '|umask|version|__fish_.*)( |$)'
set -g __devsh_own (string join '' $__devsh_own)

# Reduces both snapshots of the kind $argv to the entries that the other one lacks.
function __devsh_part
    set -l old __devsh_old_$argv
    set -l new __devsh_new_$argv
    for turn in 1 2
        # A binary search finds the common beginning, then the common end, because `contains` is slow on long lists.
        set -l low 0
        set -l high (math "min($(count $$old), $(count $$new))")
        while test $low -lt $high
            set -l middle (math "ceil(($low + $high) / 2)")
            if test "$$old[1][1..$middle]" = "$$new[1][1..$middle]"
                set low $middle
            else
                set high (math $middle - 1)
            end
        end
        set low (math $low + 1)
        set -g $old $$old[1][-1..$low]
        set -g $new $$new[1][-1..$low]
    end
    set -l gone
    set -l come
    for entry in $$old
        contains -- $entry $$new; or set -a gone $entry
    end
    for entry in $$new
        contains -- $entry $$old; or set -a come $entry
    end
    set -g $old $gone
    set -g $new $come
end

# Prints each word once.
function __devsh_unique
    set -l words
    for word in $argv
        contains -- $word $words; or set -a words $word
    end
    # Without words `printf` would print an empty line.
    test (count $words) -eq 0; or printf '%s\n' $words
end

# Prints the line of the variable $argv[1] among the lines $argv[2..].
function __devsh_line
    string match -r -- "^$argv[1](?: .*)?\$" $argv[2..]
end

# Compares the shell with the snapshot from before the scripts.
function __devsh_finish
    set -g __devsh_sourced done
    test "$PWD" = "$__devsh_before_pwd"; or builtin cd -- $__devsh_before_pwd
    test "$dirprev" = "$__devsh_before_prev"; or set -g dirprev $__devsh_before_prev
    test "$dirnext" = "$__devsh_before_next"; or set -g dirnext $__devsh_before_next
    for kind in exports completions abbreviations names
        set -g __devsh_new_$kind (__devsh_look $kind)
        __devsh_part $kind
    end
    set -l exports
    for name in (__devsh_unique (string replace -r ' .*' '' -- $__devsh_old_exports $__devsh_new_exports))
        set -a exports (__devsh_take_export $name)
    end
    set -g __devsh_new_variables (__devsh_look variables)
    __devsh_part variables
    set -ga __devsh_functions $__devsh_new_names
    set -ga __devsh_old_functions (string replace -r '.*' '' -- $__devsh_new_names)
    set -g __devsh_new_functions
    for name in $__devsh_functions
        set -ga __devsh_new_functions "$(__devsh_alias_text $name)"
    end
    set -e __devsh_old_names __devsh_new_names __devsh_old_exports __devsh_new_exports
    test (count $exports) -eq 0; or __devsh_ask --sourced $exports
end

# Restores the exported variable $argv and prints its new value for the program, which adds it to the session: child
# shells must undo it, too.
function __devsh_take_export
    if set -qgx $argv
        set -l joined "$$argv"
        echo "$argv=$joined"
    else
        echo $argv
    end
    set -l old (__devsh_line $argv $__devsh_old_exports)
    set -l variable (__devsh_line $argv $__devsh_old_variables)
    if set -q old[1]
        eval set -gx $old
    else
        set -eg $argv
        set -q variable[1]; and eval set -g $variable
    end
    return 0
end

# Undoes every change that is still as the scripts left it.
function __devsh_unsource
    test "$__devsh_sourced" = begun; and __devsh_finish
    __devsh_unsource_functions
    __devsh_unsource_completions
    set -l now (abbr)
    for line in $__devsh_new_abbreviations
        contains -- $line $now; and abbr -e (string replace -r '^abbr .*?-- (\S+).*' '$1' -- $line)
    end
    for line in $__devsh_old_abbreviations
        set -l name (string replace -r '^abbr .*?-- (\S+).*' '$1' -- $line)
        contains -- $name (abbr --list); or eval $line
    end
    set now (__devsh_look variables)
    for name in (__devsh_unique (string replace -r ' .*' '' -- $__devsh_old_variables $__devsh_new_variables))
        set -l old (__devsh_line $name $__devsh_old_variables)
        set -l new (__devsh_line $name $__devsh_new_variables)
        if test "$(__devsh_line $name $now)" = "$new"
            set -eg $name
            set -q old[1]; and eval set -g $old
        else if set -qg $name; and set -q new[1]
            __devsh_take_out $name $old
        end
    end
    set -e __devsh_{before_{pwd,prev,next},sourced,functions,{old,new}_{functions,variables,completions,abbreviations}}
end

# Removes the entries that the scripts added to the list $argv[1], which was changed again since then. $argv[2] is its
# line from before the scripts, if it existed.
function __devsh_take_out
    set -l __devsh_was
    set -q argv[2]; and eval set __devsh_was (string replace -r '^\S+' '' -- $argv[2])
    set -l __devsh_is
    eval set __devsh_is (string replace -r '^\S+' '' -- (__devsh_line $argv[1] $__devsh_new_variables))
    set -l __devsh_left
    for __devsh_entry in $$argv[1]
        contains -- $__devsh_entry $__devsh_is; and not contains -- $__devsh_entry $__devsh_was; or set -a __devsh_left $__devsh_entry
    end
    set -g $argv[1] $__devsh_left
end

function __devsh_unsource_functions
    for name in $__devsh_functions
        set -l at (contains -i -- $name $__devsh_functions)
        test "$__devsh_old_functions[$at]" != "$__devsh_new_functions[$at]"; or continue
        test "$(__devsh_alias_text $name)" = "$__devsh_new_functions[$at]"; or continue
        builtin functions -q $name; and builtin functions -e $name
        printf '%s\n' $__devsh_old_functions[$at] | builtin source
    end
end

# Fish can erase only all completions of a command, so the others are defined again.
function __devsh_unsource_completions
    set -l head '^complete((?: --(?!path|command)\S+)*)(?: --command)?((?: --path)? \S+).*'
    set -l commands (__devsh_unique (string replace -r $head '$2' -- $__devsh_old_completions $__devsh_new_completions))
    test (count $commands) -gt 0; or return 0
    set -l now (builtin complete)
    for command in $commands
        set -l stay
        for line in $now
            test (string replace -r $head '$2' -- $line) = $command; or continue
            contains -- $line $__devsh_new_completions; or set -a stay $line
        end
        for line in $__devsh_old_completions
            test (string replace -r $head '$2' -- $line) = $command; and set -a stay $line
        end
        set -l name (string replace -r '^ (?!--path)' ' --command ' -- $command)
        for line in $__devsh_new_completions
            test (string replace -r $head '$2' -- $line) = $command; or continue
            # Erasing by name keeps `--wraps`.
            string match -q -- '* --wraps *' $line
            and eval complete --erase$name (string replace -r '.*( --wraps .*)' '$1' -- $line)
        end
        eval complete --erase$name
        for line in $stay
            eval $line
        end
    end
end
