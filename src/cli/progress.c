#include "cli/progress.h"

#include "os/terminal.h"

#include <string.h>
#include <unistd.h>

#define DRAW_EVERY_MS 100
#define BAR_CELLS 24
#define LINE_BYTES_MAX 512

void progress_begin(struct progress *progress, const struct cli *cli, struct loop *loop,
                    const char *label, u64 total)
{
    *progress = (struct progress){
        .loop = loop,
        .label = label,
        .shown = !cli->json && !cli->quiet && terminal_redraw(STDERR_FILENO),
        .total = total,
        .start_ms = loop_now_ms(loop),
    };
}

static u64 rate_of(const struct progress *progress, u64 now_ms)
{
    u64 elapsed = now_ms - progress->start_ms;
    return elapsed == 0 ? 0 : progress->done * 1000 / elapsed;
}

static void time_text(char out[24], u64 seconds)
{
    if (seconds >= 3600) {
        snprintf(out, 24, "%lluh%02llum", (unsigned long long)min_u64(seconds / 3600, 9999),
                 (unsigned long long)(seconds / 60 % 60));
    } else {
        snprintf(out, 24, "%llum%02llus", (unsigned long long)(seconds / 60),
                 (unsigned long long)(seconds % 60));
    }
}

static void bar_text(char out[BAR_CELLS + 1], const struct progress *progress)
{
    u64 done = min_u64(progress->done, progress->total);
    u64 scale = progress->total / (UINT64_MAX / BAR_CELLS) + 1; /* against overflow */
    size_t filled = (size_t)(done / scale * BAR_CELLS / (progress->total / scale));
    memset(out, '#', filled);
    memset(out + filled, '.', BAR_CELLS - filled);
    out[BAR_CELLS] = '\0';
}

void progress_line(char *out, size_t cap, const struct progress *progress, u64 now_ms,
                   unsigned columns)
{
    char full[LINE_BYTES_MAX];
    char done[32];
    char rate[32];
    u64 per_second = rate_of(progress, now_ms);
    cli_size(done, progress->done);
    cli_size(rate, per_second);
    if (progress->total == 0) {
        snprintf(full, sizeof full, "%.200s  %s  %s/s", progress->label, done, rate);
    } else {
        char total[32];
        char left[24] = "?";
        char bar[BAR_CELLS + 1];
        u64 rest = progress->total > progress->done ? progress->total - progress->done : 0;
        cli_size(total, progress->total);
        bar_text(bar, progress);
        if (per_second > 0) {
            time_text(left, (rest + per_second - 1) / per_second);
        }
        snprintf(full, sizeof full, "%.200s  [%s] %s of %s  %s/s  %s left", progress->label, bar,
                 done, total, rate, left);
    }
    size_t room = min_size(cap, columns);
    snprintf(out, room, "%s", full);
}

static void draw(struct progress *progress, u64 now)
{
    char line[LINE_BYTES_MAX];
    progress_line(line, sizeof line, progress, now, terminal_columns(STDERR_FILENO));
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    progress->drawn_ms = now;
}

void progress_add(struct progress *progress, u64 bytes_)
{
    progress->done += bytes_;
    u64 now = loop_now_ms(progress->loop);
    if (progress->shown && now - progress->drawn_ms >= DRAW_EVERY_MS) {
        draw(progress, now);
    }
}

u64 progress_end(struct progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
    u64 now = loop_now_ms(progress->loop);
    u64 elapsed = now > progress->start_ms ? now - progress->start_ms : 1;
    return progress->done * 1000 / elapsed;
}
