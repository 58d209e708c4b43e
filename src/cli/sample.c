/*
 * sample.c - users to try with.
 */
#include "sample.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* A name as it is written, and in the letters of an address. */
struct name {
    const char *written, *plain;
};

/* Common given and family names of one language; any of the one goes with any of the other. */
struct people {
    const char *locale;
    struct name given[4], family[4];
    bool family_first;
};

static const struct people everyone[] = {
    {"en-GB",
     {{"Olivia", "olivia"}, {"George", "george"}, {"Amelia", "amelia"}, {"Harry", "harry"}},
     {{"Smith", "smith"}, {"Taylor", "taylor"}, {"O'Brien", "obrien"}, {"Evans", "evans"}},
     false},
    {"es-ES",
     {{"Lucía", "lucia"}, {"Martín", "martin"}, {"Sofía", "sofia"}, {"Íñigo", "inigo"}},
     {{"García", "garcia"}, {"Muñoz", "munoz"}, {"Ibáñez", "ibanez"}, {"Peña", "pena"}},
     false},
    {"de-DE",
     {{"Jürgen", "juergen"}, {"Käthe", "kaethe"}, {"Björn", "bjoern"}, {"Mia", "mia"}},
     {{"Müller", "mueller"}, {"Groß", "gross"}, {"Schäfer", "schaefer"}, {"Weiß", "weiss"}},
     false},
    {"pl-PL",
     {{"Łukasz", "lukasz"}, {"Zofia", "zofia"}, {"Michał", "michal"}, {"Agnieszka", "agnieszka"}},
     {{"Wójcik", "wojcik"}, {"Kowalczyk", "kowalczyk"}, {"Dąbrowski", "dabrowski"}, {"Żak", "zak"}},
     false},
    {"el-GR",
     {{"Ελένη", "eleni"}, {"Γιώργος", "giorgos"}, {"Μαρία", "maria"}, {"Νίκος", "nikos"}},
     {{"Παπαδάκης", "papadakis"}, {"Οικονόμου", "oikonomou"}, {"Γεωργίου", "georgiou"}, {"Δήμου", "dimou"}},
     false},
    {"uk-UA",
     {{"Олена", "olena"}, {"Тарас", "taras"}, {"Софія", "sofiia"}, {"Іван", "ivan"}},
     {{"Шевченко", "shevchenko"}, {"Коваль", "koval"}, {"Бондар", "bondar"}, {"Мельник", "melnyk"}},
     false},
    {"he-IL",
     {{"נועה", "noa"}, {"דוד", "david"}, {"תמר", "tamar"}, {"יוסף", "yosef"}},
     {{"כהן", "cohen"}, {"לוי", "levi"}, {"מזרחי", "mizrahi"}, {"פרץ", "peretz"}},
     false},
    {"ar-EG",
     {{"محمد", "mohamed"}, {"فاطمة", "fatma"}, {"أحمد", "ahmed"}, {"مريم", "mariam"}},
     {{"حسن", "hassan"}, {"علي", "ali"}, {"إبراهيم", "ibrahim"}, {"السيد", "elsayed"}},
     false},
    {"hi-IN",
     {{"आरव", "aarav"}, {"अनन्या", "ananya"}, {"विवान", "vivaan"}, {"दिया", "diya"}},
     {{"शर्मा", "sharma"}, {"सिंह", "singh"}, {"गुप्ता", "gupta"}, {"पटेल", "patel"}},
     false},
    {"ja-JP",
     {{"結衣", "yui"}, {"蓮", "ren"}, {"陽菜", "hina"}, {"大翔", "hiroto"}},
     {{"佐藤", "sato"}, {"鈴木", "suzuki"}, {"高橋", "takahashi"}, {"田中", "tanaka"}},
     true},
    {"ko-KR",
     {{"서연", "seoyeon"}, {"민준", "minjun"}, {"지우", "jiwoo"}, {"도윤", "doyun"}},
     {{"김", "kim"}, {"이", "lee"}, {"박", "park"}, {"최", "choi"}},
     true},
    {"zh-CN",
     {{"伟", "wei"}, {"芳", "fang"}, {"秀英", "xiuying"}, {"敏", "min"}},
     {{"王", "wang"}, {"李", "li"}, {"张", "zhang"}, {"刘", "liu"}},
     true},
};

/* splitmix64 (Steele, Lea, Flood 2014): a sample needs variety, not unpredictability. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* The number in front of the @ keeps every address distinct. Nothing here needs JSON's escapes. */
static void write_user(FILE *out, uint64_t number, uint64_t *state)
{
    static const char *const domains[] = {"example.com", "example.org", "example.net"};
    static const char *const plans[] = {"free", "team", "business"};
    const struct people *people = &everyone[draw(state, sizeof everyone / sizeof everyone[0])];
    const struct name *given = &people->given[draw(state, 4)];
    const struct name *family = &people->family[draw(state, 4)];
    const struct name *first = people->family_first ? family : given;
    const struct name *second = people->family_first ? given : family;
    fprintf(out,
            "  {\"email\": \"%s.%s.%" PRIu64 "@%s\", \"email_verified\": %s,\n"
            "   \"given_name\": \"%s\", \"family_name\": \"%s\", \"name\": \"%s %s\",\n"
            "   \"user_metadata\": {\"locale\": \"%s\"}, \"app_metadata\": {\"plan\": \"%s\"}}",
            given->plain, family->plain, number, domains[draw(state, 3)], draw(state, 4) == 0 ? "false" : "true",
            given->written, family->written, first->written, second->written, people->locale, plans[draw(state, 3)]);
}

enum onramp_status sample_write(const char *path, uint64_t users, uint64_t seed, struct onramp_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        int why = errno;
        if (fd >= 0)
            (void)close(fd);
        return onramp_fail_sys(err, why, "cannot write '%s'", path);
    }
    uint64_t state = seed;
    fputs("[\n", out);
    for (uint64_t i = 0; i < users; i++) {
        write_user(out, i + 1, &state);
        fputs(i + 1 < users ? ",\n" : "\n", out);
    }
    fputs("]\n", out);
    bool failed = ferror(out) != 0;
    int why = errno;
    if (fclose(out) != 0) {
        failed = true;
        why = errno;
    }
    return failed ? onramp_fail_sys(err, why, "cannot write '%s'", path) : ONRAMP_OK;
}
