/* Completion for bash, from the tables of commands and options. */
#include "cli/options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The next of the alternatives "a|b|C" in a hint or at the start of a usage; its length, 0 at the
 * end. */
static size_t alternative(const char **at) {
    *at += **at == '|';
    return strcspn(*at, "| ");
}

/* Words to be typed are small letters; those in capitals stand for something. */
static bool is_word(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '-')
            return false;
    return n > 0;
}

static void print_words(const char *list) {
    const char *between = "";
    for (size_t n; (n = alternative(&list)) > 0; list += n)
        if (is_word(list, n)) {
            printf("%s%.*s", between, (int)n, list);
            between = " ";
        }
}

/* What may follow an option: words, files, folders. */
static void print_values(void) {
    cli_option_text o;
    for (int at = 0; cli_next_option(NULL, &at, &o);) {
        if (!o.hint)
            continue;
        printf("    --%s", o.name);
        if (o.letter)
            printf(" | -%c", o.letter);
        printf(") _talkgen_value %s \"", strstr(o.hint, "FILE") || strcmp(o.hint, "OUT") == 0
                                             ? "file"
                                         : strstr(o.hint, "DIR") ? "folder"
                                                                 : "word");
        print_words(o.hint);
        puts("\"; return ;;");
    }
}

static void print_options_of(const cli_command *c) {
    cli_option_text o;
    for (int at = 0; cli_next_option(c, &at, &o);) {
        printf(" --%s", o.name);
        if (o.letter)
            printf(" -%c", o.letter);
    }
    printf(" --help");
}

void cli_print_completion(const cli_tables *t) {
    puts("# bash completion of talkgen, printed by 'talkgen help bash-completion'\n");
    puts("# _talkgen_value KIND WORDS: what may be the value of an option\n"
         "_talkgen_value() {\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$2\" -- \"$cur\")\n"
         "    case $1 in\n"
         "    file) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
         "    folder) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
         "    *) return 0 ;;\n"
         "    esac\n"
         "    compopt -o filenames 2>/dev/null\n"
         "    return 0\n"
         "}\n");
    puts("_talkgen() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options words= "
         "files=\n"
         "    COMPREPLY=()\n"
         "    # '=' is a word of its own: --size = 2\n"
         "    if [[ $cur == = ]]; then\n"
         "        cur=\n"
         "    elif [[ $prev == = ]] && ((COMP_CWORD > 1)); then\n"
         "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
         "    fi\n"
         "    case $prev in");
    print_values();
    puts("    esac\n"
         "    case ${COMP_WORDS[1]} in");
    for (int i = 0; i < t->command_count; i++) {
        const cli_command *c = &t->commands[i];
        printf("    %s)\n        options=\"", c->name);
        print_options_of(c);
        printf("\"\n        words=\"");
        print_words(strchr(c->usage, '|') ? c->usage : "");
        /* Beside stages, arguments that are no options are files. */
        printf("\"\n        files=%s\n        ;;\n",
               c->words > (islower((unsigned char)c->usage[0]) ? 1 : 0) ? "yes" : "");
    }
    printf("    help)\n        options=\n        words=\"");
    for (int i = 0; i < t->command_count; i++)
        printf("%s ", t->commands[i].name);
    for (int i = 0; i < t->topic_count; i++)
        printf("%s ", t->topics[i].name);
    puts("man bash-completion\"\n        ;;");
    printf("    *) # the main job\n        options=\"");
    print_options_of(&t->commands[0]);
    printf("\"\n        ((COMP_CWORD == 1)) && words=\"");
    for (int i = 0; i < t->command_count; i++)
        printf("%s ", t->commands[i].name);
    puts("help\"\n        ;;\n"
         "    esac");
    puts("    if [[ $cur != -* && -n $words ]] && ((COMP_CWORD <= 2)); then\n"
         "        _talkgen_value word \"$words\"\n"
         "    elif [[ $cur != -* && -n $files ]]; then\n"
         "        _talkgen_value file \"\"\n"
         "    else\n"
         "        _talkgen_value word \"$options\"\n"
         "    fi\n"
         "}\n"
         "complete -F _talkgen talkgen");
}
