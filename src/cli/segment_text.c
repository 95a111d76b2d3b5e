#include "cli/segment_text.h"

#include <string.h>

struct read_ctx {
    struct segment_view *view;
};

static err read_view(void *ctx, const struct slot_source *slots)
{
    struct segment_view *view = ((struct read_ctx *)ctx)->view;
    struct holder_clock clock;
    err ticking = holder_clock_load(slots, &clock);
    TRY(segment_load(slots, &view->key, &view->record, &view->found));
    TRY(ticking);
    return view->found ? segment_statuses(slots, &clock, &view->record, view->statuses, view->since)
                       : ok();
}

err segment_view_read(struct client *client, const struct segment_key *key,
                      struct segment_view *ret_view)
{
    struct read_ctx ctx = {.view = ret_view};
    *ret_view = (struct segment_view){.key = *key};
    return chain_view(client->chain, read_view, &ctx, client_deadline(client));
}

u8 segment_present(const struct segment_view *view)
{
    u8 count = 0;
    for (u8 i = 0; i < view->record.n; i++) {
        enum holder_status status = view->statuses[i];
        count = (u8)(count + (status == HOLDER_PRESENT || status == HOLDER_DRAINING));
    }
    return count;
}

const char *segment_holder_text(enum holder_status status)
{
    switch (status) {
    case HOLDER_PRESENT:
        return "present";
    case HOLDER_AWAITED:
        return "awaited";
    case HOLDER_MISSING:
        return "missing";
    case HOLDER_LOST:
        return "lost";
    case HOLDER_DRAINING:
        return "draining";
    }
    return "?";
}

const char *segment_state(const struct segment_view *view)
{
    const struct redundancy_info *info = redundancy_find((u8)view->record.class_number);
    u8 present = segment_present(view);
    if ((view->record.flags & SEGMENT_RELEASING) != 0) {
        return "releasing";
    }
    if (info == NULL || present < info->k) {
        return "lost";
    }
    return present == view->record.n           ? "complete"
           : present < redundancy_quorum(info) ? "endangered"
                                               : "durable";
}

json_t *segment_describe(const struct segment_view *view)
{
    const struct redundancy_info *info = redundancy_find((u8)view->record.class_number);
    json_t *holders = json_array();
    for (u8 i = 0; i < view->record.n; i++) {
        json_array_append_new(holders, json_pack("{s:i, s:i, s:s}", "index", (int)i, "provider",
                                                 (int)view->record.holders[i].provider, "status",
                                                 segment_holder_text(view->statuses[i])));
    }
    return json_pack("{s:I, s:i, s:I, s:I, s:s, s:i, s:i, s:s, s:i, s:o}", "territory",
                     (json_int_t)view->key.territory, "gateway", (int)view->key.gateway, "number",
                     (json_int_t)view->key.number, "serial", (json_int_t)view->record.serial,
                     "class", info ? info->name : "?", "n", (int)view->record.n, "length",
                     (int)view->record.length, "state", segment_state(view), "present",
                     (int)segment_present(view), "holders", holders);
}

static bool take_number(const char **text, char end, u64 *ret)
{
    size_t len = strspn(*text, "0123456789");
    if ((*text)[len] != end || !parse_u64(ret, bytes_make(*text, len))) {
        return false;
    }
    *text += len + (end != '\0');
    return true;
}

bool segment_parse(const char *text, struct segment_key *ret_key)
{
    u64 territory;
    u64 gateway;
    u64 number;
    if (!take_number(&text, '.', &territory) || !take_number(&text, '.', &gateway) ||
        !take_number(&text, '\0', &number) || gateway > UINT32_MAX) {
        return false;
    }
    *ret_key = (struct segment_key){territory, (u32)gateway, number};
    return true;
}
