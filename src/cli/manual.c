/* The manual page, from the tables of commands and options. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

/* Text of roff: nothing in it is a request or a special character. */
static void put(const char *text) {
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\'')
            fputs("\\(aq", stdout);
        else if (*text == '`')
            fputs("\\(ga", stdout);
        else if (*text == '^')
            fputs("\\(ha", stdout);
        else if (*text == '~')
            fputs("\\(ti", stdout);
        else
            putchar(*text);
        if (*text == '\n' && (text[1] == '.' || text[1] == '\''))
            fputs("\\&", stdout);
    }
}

/* Lines as they are, in a block of their own. */
static void put_lines(const char *text) {
    puts(".nf");
    put(text);
    if (*text && text[strlen(text) - 1] != '\n')
        putchar('\n');
    puts(".fi");
}

static void put_paragraph(const char *text) {
    puts(".PP");
    put(text);
    putchar('\n');
}

static void print_command(const cli_command *c) {
    printf(".SS ");
    put(c->name);
    printf("\n.B talkgen ");
    put(c->name);
    printf("\n");
    if (c->usage[0]) {
        put(c->usage);
        putchar('\n');
    }
    put_paragraph(c->summary);
    if (c->details) {
        puts(".PP");
        if (strchr(c->details, '\n'))
            put_lines(c->details);
        else
            put(c->details), putchar('\n');
    }
    cli_option_text o;
    const char *before = ".PP\nOptions: ";
    for (int at = 0; cli_next_option(c, &at, &o);) {
        printf("%s\\-\\-", before);
        put(o.name);
        before = ", ";
    }
    puts(before[0] == ',' ? "." : "");
}

static void print_options(void) {
    cli_option_text o;
    for (int at = 0; cli_next_option(NULL, &at, &o);) {
        printf(".TP\n");
        if (o.letter)
            printf("\\fB\\-%c\\fR, ", o.letter);
        printf("\\fB\\-\\-");
        put(o.name);
        printf("\\fR");
        if (o.hint) {
            printf(" \\fI");
            put(o.hint);
            printf("\\fR");
        }
        putchar('\n');
        put(o.help);
        if (o.otherwise[0]) {
            printf(" [");
            put(o.otherwise);
            putchar(']');
        }
        putchar('\n');
    }
}

void cli_print_manual(const cli_tables *t) {
    printf(".\\\" Printed by 'talkgen help man'.\n");
    printf(".TH TALKGEN 1 \"%s\" \"talkgen %s\" \"User Commands\"\n", tg_commit_date(),
           tg_version());
    puts(".SH NAME\ntalkgen \\- speech in, talking person out");
    puts(".SH SYNOPSIS\n.nf");
    for (int i = 0; i < t->command_count; i++) {
        printf("\\fBtalkgen %s\\fR ", t->commands[i].name);
        put(t->commands[i].usage);
        putchar('\n');
    }
    puts("\\fBtalkgen help\\fR [COMMAND|TOPIC]\n.fi");
    puts(".SH DESCRIPTION");
    puts("Turns a recording of speech into a video of a person who speaks it, and trains that "
         "person "
         "from a\nrecording too, on the processor alone. The word");
    printf(".B %s\nmay be left out.\n", t->commands[0].name);
    puts(".SH COMMANDS");
    for (int i = 0; i < t->command_count; i++)
        print_command(&t->commands[i]);
    puts(".SS help\n.B talkgen help\n[COMMAND|TOPIC]\n.PP\nOptions of a command; topics: ");
    for (int i = 0; i < t->topic_count; i++) {
        put(t->topics[i].name);
        printf(", ");
    }
    puts("man (this page), bash\\-completion.");
    puts(".SH OPTIONS\nBrackets show what holds when an option is not given.");
    print_options();
    for (int i = 0; i < t->topic_count; i++) {
        printf(".SH %s\n", t->topics[i].title);
        put_lines(t->topics[i].text);
    }
    puts(".SH ENVIRONMENT\n.TP\n.B TMPDIR\nfolder for the temporary files of bench and doctor "
         "[/tmp]");
    puts(".SH EXAMPLES\n.nf");
    put("talkgen --audio a.wav --identity person.ckpt -o out.mp4\n"
        "talkgen batch --manifest jobs.jsonl --identity person.ckpt --out-dir renders\n"
        "talkgen verify --manifest jobs.jsonl --out-dir renders\n");
    puts(".fi");
}
