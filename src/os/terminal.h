/* terminal.h: what the other end of a descriptor can show, for progress bars and colour. */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include "base/int.h"

#define TERMINAL_COLUMNS_DEFAULT 80

/* terminal_is_tty: a person sees it. */
bool terminal_is_tty(int fd);
/* terminal_columns: its width now (it can change), or $COLUMNS, or the default. Never 0. */
unsigned terminal_columns(int fd);
/* terminal_colour: whether to colour. No if NO_COLOR is set (no-color.org); yes if CLICOLOR_FORCE
 * is set and not "0"; else on a terminal that is not "dumb". */
bool terminal_colour(int fd);
/* terminal_redraw: whether a line may be redrawn in place: a terminal that is not "dumb". */
bool terminal_redraw(int fd);

#endif
