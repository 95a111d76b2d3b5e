#include "os/terminal.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 1000

bool terminal_is_tty(int fd) { return isatty(fd) == 1; }

unsigned terminal_columns(int fd)
{
    struct winsize size = {0};
    u64 columns = 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char *text = getenv("COLUMNS");
    if (text == NULL || !parse_u64(&columns, bytes_str(text)) || columns == 0 ||
        columns > COLUMNS_MAX) {
        return TERMINAL_COLUMNS_DEFAULT;
    }
    return (unsigned)columns;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != 0;
}

bool terminal_redraw(int fd)
{
    const char *kind = getenv("TERM");
    return terminal_is_tty(fd) && kind != NULL && strcmp(kind, "dumb") != 0;
}

bool terminal_colour(int fd)
{
    if (is_set("NO_COLOR")) {
        return false;
    }
    if (is_set("CLICOLOR_FORCE") && strcmp(getenv("CLICOLOR_FORCE"), "0") != 0) {
        return true;
    }
    return terminal_redraw(fd);
}
