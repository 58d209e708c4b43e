/*
 * Whose is a user that a look-up found?
 */
#include "auth0/evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LEFT  1790000000 /* by the tenant's clock, when our attempt left */
#define OURS  "5eed5eed5eed5eed5eed5eed"
#define OTHER "0ddba110ddba110ddba110dd"

static struct onramp_found user(const char *id, int64_t created)
{
    struct onramp_found found = {.in_connection = true, .created_at = created * 1000};
    strcpy(strcpy(found.user_id, "auth0|") + 6, id);
    strcpy(found.identity_id, id);
    return found;
}

static enum onramp_verdict judge(const char *chosen, const char *given, enum onramp_ids ids, const char *found,
                                 int64_t created)
{
    const char *user_id = NULL;
    const struct onramp_found one = user(found, created);
    const struct onramp_evidence evidence = {.chosen_id = chosen, .given_id = given, .ids = ids, .tenant_date = LEFT};
    enum onramp_verdict verdict = onramp_evidence_judge(&evidence, &one, 1, &user_id);
    assert_ptr_equal(user_id, one.user_id);
    return verdict;
}

static void who_has_the_chosen_id_is_ours_whatever_the_date(void **state)
{
    (void)state;
    for (int ids = ONRAMP_IDS_KEPT; ids <= ONRAMP_IDS_UNSURE; ids++) {
        assert_int_equal(judge(OURS, NULL, (enum onramp_ids)ids, OURS, LEFT - 100000), ONRAMP_OURS);
        assert_int_equal(judge(OURS, NULL, (enum onramp_ids)ids, OURS, LEFT + 100000), ONRAMP_OURS);
        assert_int_equal(judge(OURS, "own", (enum onramp_ids)ids, OURS, 0), ONRAMP_OURS);
    }
}

static void who_has_another_id_is_theirs_where_ids_are_kept(void **state)
{
    (void)state;
    assert_int_equal(judge(OURS, NULL, ONRAMP_IDS_KEPT, OTHER, LEFT + 1), ONRAMP_THEIRS);
    assert_int_equal(judge("", "own", ONRAMP_IDS_KEPT, OTHER, LEFT + 1), ONRAMP_THEIRS);
}

static void dates_decide_where_no_id_can(void **state)
{
    (void)state;
    const struct {
        const char *chosen, *given, *found;
        enum onramp_ids ids;
    } cases[] = {{"", NULL, OTHER, ONRAMP_IDS_REPLACED}, {"", NULL, OTHER, ONRAMP_IDS_KEPT},
                 {"", "own", "own", ONRAMP_IDS_KEPT},    {"", "own", OTHER, ONRAMP_IDS_REPLACED},
                 {"", "own", "own", ONRAMP_IDS_UNSURE},  {OURS, NULL, OTHER, ONRAMP_IDS_REPLACED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *c = cases[i].chosen, *g = cases[i].given, *f = cases[i].found;
        enum onramp_ids ids = cases[i].ids;
        assert_int_equal(judge(c, g, ids, f, LEFT - ONRAMP_EVIDENCE_SKEW - 1), ONRAMP_THEIRS);
        assert_int_equal(judge(c, g, ids, f, LEFT - ONRAMP_EVIDENCE_SKEW), ONRAMP_OURS);
        assert_int_equal(judge(c, g, ids, f, LEFT + ONRAMP_EVIDENCE_LATEST), ONRAMP_OURS);
        assert_int_equal(judge(c, g, ids, f, LEFT + ONRAMP_EVIDENCE_LATEST + 1), ONRAMP_UNDECIDED);
        assert_int_equal(judge(c, g, ids, f, 0), ONRAMP_UNDECIDED); /* no date */
    }
}

static void another_id_in_an_unreadable_connection_is_theirs_only_if_it_is_older(void **state)
{
    (void)state;
    assert_int_equal(judge(OURS, NULL, ONRAMP_IDS_UNSURE, OTHER, LEFT - 100), ONRAMP_THEIRS);
    assert_int_equal(judge(OURS, NULL, ONRAMP_IDS_UNSURE, OTHER, LEFT + 1), ONRAMP_UNDECIDED);
    assert_int_equal(judge("", "own", ONRAMP_IDS_UNSURE, OTHER, LEFT + 1), ONRAMP_UNDECIDED);
}

static void a_linked_account_keeps_our_identity(void **state)
{
    (void)state;
    const char *user_id = NULL;
    struct onramp_found linked = user(OURS, LEFT);
    strcpy(linked.user_id, "google-oauth2|1");
    const struct onramp_evidence evidence = {.chosen_id = OURS, .ids = ONRAMP_IDS_KEPT, .tenant_date = LEFT};
    assert_int_equal(onramp_evidence_judge(&evidence, &linked, 1, &user_id), ONRAMP_OURS);
    assert_string_equal(user_id, "google-oauth2|1");
}

/* What it is linked to may have another address than the account, which was found by that. */
static void an_account_is_in_the_connection_under_the_address_of_its_main_identity_alone(void **state)
{
    (void)state;
    struct onramp_found found[3] = {user("a", 0), user("b", 0), user("c", 0)};
    found[0].in_connection = false;
    strcpy(found[1].user_id, "google-oauth2|1");
    assert_ptr_equal(onramp_evidence_resident(found, 3), &found[2]);
    assert_null(onramp_evidence_resident(found, 2));
    assert_null(onramp_evidence_resident(NULL, 0));
}

static void of_several_users_ours_counts_and_other_connections_do_not(void **state)
{
    (void)state;
    const char *user_id = NULL;
    struct onramp_found found[3] = {user(OTHER, LEFT), user(OURS, LEFT), user("x", LEFT - 1000)};
    const struct onramp_evidence evidence = {.chosen_id = OURS, .ids = ONRAMP_IDS_KEPT, .tenant_date = LEFT};
    assert_int_equal(onramp_evidence_judge(&evidence, found, 3, &user_id), ONRAMP_OURS);
    assert_ptr_equal(user_id, found[1].user_id);
    found[1].in_connection = false;
    assert_int_equal(onramp_evidence_judge(&evidence, found, 3, &user_id), ONRAMP_THEIRS);
    user_id = NULL;
    found[0].in_connection = found[2].in_connection = false;
    assert_int_equal(onramp_evidence_judge(&evidence, found, 3, &user_id), ONRAMP_NOBODY);
    assert_int_equal(onramp_evidence_judge(&evidence, NULL, 0, &user_id), ONRAMP_NOBODY);
    assert_null(user_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_the_chosen_id_is_ours_whatever_the_date),
        cmocka_unit_test(who_has_another_id_is_theirs_where_ids_are_kept),
        cmocka_unit_test(dates_decide_where_no_id_can),
        cmocka_unit_test(another_id_in_an_unreadable_connection_is_theirs_only_if_it_is_older),
        cmocka_unit_test(a_linked_account_keeps_our_identity),
        cmocka_unit_test(an_account_is_in_the_connection_under_the_address_of_its_main_identity_alone),
        cmocka_unit_test(of_several_users_ours_counts_and_other_connections_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
