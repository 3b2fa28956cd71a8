/* Where the shipped models are. */
#ifndef TG_CLI_SHIPPED_H
#define TG_CLI_SHIPPED_H

enum { CLI_PATH = 4096 };

/* models/NAME of this folder, beside the program, or beside its build folder; NULL when none is
 * there. `out` holds the path. */
const char *cli_shipped_model(const char *name, char out[CLI_PATH]);
/* Path up to and with the last slash, "" when there is none. */
void cli_folder_of(const char *path, char out[CLI_PATH]);

#endif
