/* Words that mean nothing but are pronounceable in a language: its syllables in its own spelling,
 * which the speech engine reads by that language's rules. What counts is the coverage of sounds:
 * the front rounded vowels, nasal vowels, affricates, trills and tones that English lacks. */
#include <string.h>

#include "studio/sentence.h"

/* Parts are separated by spaces; "-" is the empty part; repeated parts are more frequent. */
typedef struct {
    const char *language;
    const char *onsets, *nuclei, *codas;
    const char *endings; /* endings of words, "" for none */
} syllable_set;

static const syllable_set sets[] = {
    {"en-words", /* reads like English and says nothing: neighbourhoods that its words lack */
     "b b b p p p m m m w w f f v v th th sh ch j br bl pr pl fl fr tr dr st sp sk sw tw h k g l r "
     "n "
     "s z y d t wh qu",
     "a a e e i i o o u u ee oo ai oa ou ow igh ar or er aw oy ea ay",
     "- - - m m n p b t d k g l r s f v th sh ch ng mp nt nd st ft lk rm lm",
     "er ing ed ly y s ment ble ness ow"},
    {"de",
     "b b p p m m d t g k f f w w l r n s sch z pf st sp br bl pr pl fl fr tr kr schw schm schl h "
     "j",
     "a a e e i o u ei au eu ie ä ö ü aa oh eh üh", "- - - n m l r s t ch nd rt mpf ng ck lb rm ft",
     "en en er e t el ung"},
    {"fr", "b b p p m m d t g c f f v v l r n s ch j bl br pl pr fl fr tr gr cl gn h qu",
     "a a é è i o u ou eu au on an in un oi ai eau ui", "- - - - r l t s ne che me pe ve ge lle",
     "- - e é eur ion age"},
    {"es", "b b p p m m d t g c f f v v l r n s ch j ll ñ br bl pr pl fl fr tr gr cr y z",
     "a a e e i o o u ie ue ai au ei", "- - - - n r s l m", "a o e os as ar ión"},
    {"ca", "b b p p m m d t g c f f v v l r n s x j ll ny br bl pr pl fl fr tr cr gu z",
     "a a e e i o o u ai au ei ia à è é ò ó í ú", "- - - - n r l s m t", "a e o es ar ió"},
    {"it",
     "b b p p m m d t gh c f f v v l r n s sc gi gn qu br bl pr pl fr tr gr str z zz bb pp mm tt",
     "a a e e i o o u ia ie uo au ai", "- - - - n r l m", "a o e i are ione"},
    {"pt-br", "b b p p m m d t g c f f v v l r n s ch j lh nh br bl pr pl fr tr gr cr",
     "a a e e i o o u ão ei ou ai em im õe ãe", "- - - - r s l m", "a o e os ar ção"},
    {"nl", "b b p p m m d t g k f f v w w l r n s sch z br bl pr pl vr vl tr kr zw sp st h j",
     "a a e e i o u aa ee oo uu ie oe eu ui ij ou", "- - - n m l r s t cht nd rk mp ng ft",
     "en en er e t ing"},
    {"pl",
     "b b p p m m d t g k f f w w l ł r n s sz cz ż ś ć ź c dz dż h j br bl pr pl trz prz krz",
     "a a e e i o u y ą ę ó ia ie", "- - - - n m l r s t sz ć k", "a y e ać ów ość"},
    {"ru", "б б п п м м д т г к ф ф в в л р н с ш ч ж щ ц з х бр бл пр пл вр тр кр ст",
     "а а е е и о о у ы я ё ю э", "- - - - н м л р с т ш й к", "а о ы ая ый ть ов"},
    {"tr", "b b p p m m d t g k f f v v l r n s ş ç c j z h y", "a a e e ı i o ö u ü ü ö",
     "- - - n m l r s t ş k p", "lar ler da mak im"},
    {"fi", "p p p m m m t k v v l r n s h j", "a a ä ä e e i o ö u y aa ää ie uo yö ai ei au öy",
     "- - - n l r s t m", "a ä ssa ssä n t nen"},
    {"sv", "b b p p m m d t g k f f v v l r n s sj kj sk st br bl pr pl fl tr kr h j",
     "a a e e i o u å ä ö y", "- - - n m l r s t ng nd ck rm ft", "en et ar or a ning"},
    {"hu", "b b p p m m d t g k f f v v l r n s sz cs zs z c gy ny ty h j",
     "a a á e e é i í o ó ö ő u ú ü ű", "- - - n m l r s t sz k", "ok ek ban ben a tok"},
    {"cs", "b b p p m m d t g k f f v v l r ř n s š č ž c z h ch j br bl pr pl tř kř",
     "a a e e i o u á é í ou ě ů", "- - - - n m l r s t š k", "a e ý ost ou it"},
    {"el", "μπ π π μ μ ντ τ γκ κ φ φ β β λ ρ ν σ χ θ δ γ ζ τσ τζ πλ πρ φλ βρ τρ",
     "α α ε ε ι ο ο ου ει αι ία ιό", "- - - - ν ρ ς λ", "α ος η ες ω ι"},
    {"ro", "b b p p m m d t g c f f v v l r n s ș ț z j h br bl pr pl tr cr",
     "a a e e i o u ă â ea oa ie au", "- - - - n m l r s t ș", "a ul e i are ește"},
    {"id", "b b p p m m d t g k f w w l r n s c j ny ng h y kh sy z", "a a e e i o u u ai au",
     "- - - n m ng l r s t k p h", "kan an nya i ku lah"},
    {"sw",
     "b b p p m m mb mb d t nd g k f v w w l r n s sh ch j nj ny ng' h y z th dh gh mw bw pw kw",
     "a a e e i o o u ia ua", "-", "ni wa ka na ti"},
    {"hi", "ब ब प प म म भ फ व व द त ध थ ड ट ग क घ ख च ज छ झ ल र न स श ह य",
     "- ा ा ि ी ु ू े ै ो ौ ां ें ों", "- - - न म ल र स त क", "ा ी े ना ता"},
    {"vi", "b b ph ph m m v v p th t đ d g c kh ch l nh n s x tr h r qu ng gi",
     "a á à ả ạ e é ẹ ê ế ề i í ị o ó ò ô ố ộ ơ ớ ờ u ú ụ ư ứ ai ao âu iê oa uô",
     "- - - n m ng p t c nh ch", ""},
    {"ja",
     "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に の は ひ ふ ま ま み む め "
     "も や ゆ よ "
     "ら り る れ ろ わ ば ば び ぶ べ ぼ ぱ ぱ ぴ ぷ ぽ だ で ど が ぎ ご じ しゃ しゅ ちょ きょ "
     "びょ みゅ りょ",
     "- - - - う い", "- - - - ん っか", "です ます た"},
    {"ar", "ب ب م م م ف ف و و د ت ط ض ك ق ل ر ن س ص ش ج خ ح ه ع غ ز ي ث ذ", "َ َ ِ ُ َا ُو ِي َيْ َوْ",
     "- - - نْ مْ لْ بْ رْ سْ", "َة َانِ ُونَ ُ"},
    {"cmn-latn-pinyin", "b b p p m m f f d t n l g k h j q x zh ch sh r z c s w y",
     "a o e i u ai ei ao ou an en ang eng ong ing ian iao uan ui ua", "1 2 3 4", ""},
};

/* The index-th part of a list; length in *n. */
static const char *part_at(const char *list, uint32_t index, size_t *n) {
    for (; index; index--)
        list = strchr(list, ' ') + 1;
    *n = strcspn(list, " ");
    return list;
}

static uint32_t part_count(const char *list) {
    uint32_t n = *list != 0;
    for (; *list; list++)
        n += *list == ' ';
    return n;
}

static void put_part(tg_sentence *s, const char *list) {
    uint32_t parts = part_count(list);
    if (!parts)
        return;
    size_t n;
    const char *part = part_at(list, tg_sentence_draw(s, parts), &n);
    char text[24];
    if (n == 1 && *part == '-')
        return;
    if (n >= sizeof text)
        return;
    memcpy(text, part, n);
    text[n] = 0;
    tg_sentence_put(s, text);
}

int tg_syllables_language_count(void) {
    return (int)(sizeof sets / sizeof *sets);
}

const char *tg_syllables_language(int index) {
    return sets[index].language;
}

bool tg_syllables_make(tg_sentence *s, const char *language) {
    const syllable_set *set = NULL;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i].language, language))
            set = &sets[i];
    if (!set)
        return false;
    uint32_t words = 4 + tg_sentence_draw(s, 8);
    uint32_t comma = words > 6 ? 3 + tg_sentence_draw(s, 3) : words;
    for (uint32_t w = 0; w < words; w++) {
        uint32_t syllables = 1 + (tg_sentence_draw(s, 10) > 2) + (tg_sentence_draw(s, 10) > 7);
        for (uint32_t k = 0; k < syllables; k++) {
            put_part(s, set->onsets);
            put_part(s, set->nuclei);
            put_part(s, set->codas);
        }
        if (tg_sentence_draw(s, 2))
            put_part(s, set->endings);
        if (w + 1 < words)
            tg_sentence_put(s, w + 1 == comma ? ", " : " ");
    }
    tg_sentence_put(s, tg_sentence_draw(s, 6) ? "." : "?");
    return true;
}
