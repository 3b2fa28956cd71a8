/* English sentences from a small grammar. The words are everyday ones chosen so that together they
 * hold every phone of American English in many neighbourhoods, lip closures above all. */
#include <stdio.h>
#include <string.h>

#include "studio/performance.h"
#include "studio/sentence.h"

#define COUNT(list) ((uint32_t)(sizeof(list) / sizeof *(list)))

static const char *const people[] = {
    "the baker",           "my brother",        "a young woman",    "the old captain",
    "our neighbour",       "the music teacher", "a happy boy",      "the village doctor",
    "your mother",         "the new judge",     "a tired farmer",   "the girl next door",
    "my best friend",      "the blue team",     "a famous painter", "the whole family",
    "an old wizard",       "the night guard",   "each visitor",     "the bus driver",
    "a quiet man",         "the shy author",    "everybody here",   "the third player",
    "a kind nurse",        "the hungry baby",   "his uncle Bob",    "her cousin Paul",
    "Mister Webb",         "Missus Moore",      "the beach patrol", "a proud father",
    "some of the workers", "the royal chef",    "a small child",
};

static const char *const things[] = {
    "a purple umbrella",      "the broken bicycle",     "seven brown boxes",
    "the last piece of cake", "a bowl of warm soup",    "the morning paper",
    "a pair of gloves",       "the garden gate",        "two bottles of milk",
    "an enormous pumpkin",    "the wooden boat",        "a shiny silver coin",
    "the map of the valley",  "a jar of honey",         "the yellow curtains",
    "a bunch of flowers",     "the measuring tape",     "a thick wool jumper",
    "the empty fish tank",    "a box of matches",       "the orange balloon",
    "an apple pie",           "the kitchen table",      "five small pebbles",
    "a leather suitcase",     "the treasure chest",     "a cheap plastic cup",
    "the heavy hammer",       "a bag of fresh bread",   "the mouse trap",
    "her favourite book",     "a loaf and some butter", "the hotel lobby lamp",
    "his job at the bank",    "a rubber boot",          "the width of the river",
    "a vision of the future", "the garage key",         "a good theory",
    "the usual programme",    "a beige carpet",         "the earth and the moon",
    "both of these maps",     "an awful noise",
};

static const char *const verbs_past[] = {
    "picked up",    "wanted to buy",     "forgot about",  "carried",        "looked for",
    "painted",      "dropped",           "asked for",     "put away",       "paid for",
    "bumped into",  "gave away",         "moved",         "could not find", "brought back",
    "talked about", "had to fix",        "laughed at",    "measured",       "washed",
    "pushed",       "showed me",         "thought about", "never saw",      "jumped over",
    "pulled out",   "hoped to keep",     "chose",         "wrapped up",     "wrote about",
    "opened",       "would rather have", "believed in",   "gathered",       "voted for",
    "enjoyed",
};

static const char *const verbs_plain[] = {
    "walk to work",     "help us move",      "play the piano",      "watch the game",
    "make some coffee", "buy a puppy",       "open the window",     "leave the room",
    "wait for the bus", "put up a tent",     "sweep the floor",     "go to the museum",
    "keep a promise",   "join the choir",    "pay the bill",        "sing with the others",
    "read this page",   "bring an umbrella", "swim in the lake",    "climb that mountain",
    "fix the roof",     "feed the rabbits",  "jump into the pool",  "cook for everybody",
    "visit the farm",   "speak more slowly", "push the button",     "mow the lawn",
    "throw the ball",   "choose a colour",   "wash the vegetables", "be home by five",
};

static const char *const places[] = {
    "behind the old barn",        "in front of the shop",   "at the foot of the hill",
    "near the railway bridge",    "under the kitchen sink", "on the way to school",
    "by the swimming pool",       "above the village",      "between two tall trees",
    "in the middle of the park",  "outside the theatre",    "across the frozen pond",
    "along the muddy path",       "beside the fire",        "in a deep blue bowl",
    "at the back of the bus",     "over the garden wall",   "up on the roof",
    "down at the harbour",        "on the top shelf",       "inside the cave",
    "from a small town up north", "round the corner",       "in the warm barn",
};

static const char *const times[] = {
    "yesterday afternoon",
    "before breakfast",
    "on a cold February morning",
    "last Thursday",
    "every other week",
    "just after midnight",
    "at a quarter past four",
    "during the storm",
    "in the summer",
    "five minutes ago",
    "for the first time",
    "once upon a time",
    "at the very last moment",
    "when the bell rang",
    "long before the war",
    "this evening",
    "by the end of May",
    "without a word",
    "as soon as possible",
    "most of the time",
};

static const char *const adjectives[] = {
    "beautiful",        "impossible",         "rather expensive",
    "quite unusual",    "much too small",     "very warm",
    "wonderful",        "a bit boring",       "smooth and white",
    "completely empty", "awfully cheap",      "perfect",
    "worth the wait",   "full of bubbles",    "too heavy for me",
    "shallow",          "as thin as paper",   "huge",
    "more than enough", "better than before", "about to vanish",
    "poor but proud",   "easy to move",
};

static const char *const openers[] = {
    "Of course",   "By the way", "To be honest", "In my opinion", "After a while", "Perhaps",
    "Fortunately", "Well",       "As you know",  "Moreover",      "In the end",    "Maybe",
    "However",     "At first",   "Above all",    "Believe me",    "Oh boy",        "For example",
};

static const char *const questions[] = {
    "why did", "when did",        "how did",         "where would",
    "what if", "how often could", "since when does",
};

static const char *const numbers[] = {
    "three",      "eleven",           "fifty-four", "seventeen",   "a hundred and six",
    "twelve",     "about a thousand", "forty",      "ninety-nine", "two million",
    "sixty-five", "eight hundred",    "zero",       "twenty-one",
};

static const char *const units[] = {
    "miles",    "people",     "apples",   "pages",        "degrees", "months",
    "spoons",   "kilometres", "buses",    "bright lamps", "pounds",  "jobs",
    "chapters", "birds",      "visitors", "boxes",        "weeks",   "maps",
};

uint32_t tg_sentence_draw(tg_sentence *s, uint32_t n) {
    return (uint32_t)(((uint64_t)tg_rng_u32(&s->rng, s->draws++) * n) >> 32);
}

void tg_sentence_put(tg_sentence *s, const char *text) {
    size_t n = strlen(text);
    if (s->length + n + 1 > s->size)
        return;
    memcpy(s->out + s->length, text, n + 1);
    s->length += n;
}

static const char *pick(tg_sentence *s, const char *const *list, uint32_t n) {
    return list[tg_sentence_draw(s, n)];
}

/* Pattern letters: P person, T thing, V past verb, W plain verb phrase, L place, M moment,
 * A adjective, O opener, Q question, N number, U unit; everything else stands for itself. */
static const char *const patterns[] = {
    "P V T L.",
    "P V T M.",
    "M, P V T.",
    "L, P V T.",
    "O, P V T.",
    "Did P really W M?",
    "Please W and then W.",
    "I think that T was A.",
    "We will W if P can W.",
    "T L is A.",
    "There were N U L.",
    "P counted N U M.",
    "Q P W L?",
    "Do you want to W or W?",
    "Maybe P should W M.",
    "O, N U are A.",
    "P, who V T, will W.",
    "Nobody V T because it was A.",
    "It took N U to W.",
    "Both P and P V T.",
    "My papa V T, but P V T.",
    "T! How A!",
    "You may W L, but never M.",
};

static void english(tg_sentence *s) {
    const char *pattern = pick(s, patterns, COUNT(patterns));
    for (const char *c = pattern; *c; c++) {
        /* A capital letter alone is a slot. */
        bool slot = *c >= 'A' && *c <= 'Z' && (c == pattern || c[-1] == ' ') &&
                    (c[1] == ' ' || c[1] == ',' || c[1] == '.' || c[1] == '?' || c[1] == '!');
        if (slot && *c == 'I')
            slot = false;
        if (!slot) {
            tg_sentence_put(s, (char[]){*c, 0});
            continue;
        }
        switch (*c) {
        case 'P':
            tg_sentence_put(s, pick(s, people, COUNT(people)));
            break;
        case 'T':
            tg_sentence_put(s, pick(s, things, COUNT(things)));
            break;
        case 'V':
            tg_sentence_put(s, pick(s, verbs_past, COUNT(verbs_past)));
            break;
        case 'W':
            tg_sentence_put(s, pick(s, verbs_plain, COUNT(verbs_plain)));
            break;
        case 'L':
            tg_sentence_put(s, pick(s, places, COUNT(places)));
            break;
        case 'M':
            tg_sentence_put(s, pick(s, times, COUNT(times)));
            break;
        case 'A':
            tg_sentence_put(s, pick(s, adjectives, COUNT(adjectives)));
            break;
        case 'O':
            tg_sentence_put(s, pick(s, openers, COUNT(openers)));
            break;
        case 'Q':
            tg_sentence_put(s, pick(s, questions, COUNT(questions)));
            break;
        case 'N':
            tg_sentence_put(s, pick(s, numbers, COUNT(numbers)));
            break;
        case 'U':
            tg_sentence_put(s, pick(s, units, COUNT(units)));
            break;
        default:
            tg_sentence_put(s, (char[]){*c, 0});
        }
    }
}

int tg_sentence_language_count(void) {
    return 1 + tg_syllables_language_count();
}

const char *tg_sentence_language(int index) {
    return index == 0 ? "en" : tg_syllables_language(index - 1);
}

bool tg_sentence_make(const char *language, uint64_t seed, uint64_t index, char *out, size_t size) {
    char clip[48];
    snprintf(clip, sizeof clip, "%s %llu", language, (unsigned long long)index);
    tg_sentence s = {.out = out, .size = size, .rng = tg_rng_make(seed, clip, "sentence")};
    if (size)
        out[0] = 0;
    if (strcmp(language, "en"))
        return tg_syllables_make(&s, language);
    english(&s);
    return true;
}
