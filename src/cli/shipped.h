/* Where the shipped models are. */
#ifndef TG_CLI_SHIPPED_H
#define TG_CLI_SHIPPED_H

enum { CLI_PATH = 4096 };

/* models/NAME of this folder, beside the program, beside its build folder, or where an installed
 * program has them; NULL when none is there. `out` holds the path. */
const char *cli_shipped_model(const char *name, char out[CLI_PATH]);
/* The folder of the actor's tables with its last slash; NULL when there is none. */
const char *cli_actor_tables(char out[CLI_PATH]);
/* Path up to and with the last slash, "" when there is none. */
void cli_folder_of(const char *path, char out[CLI_PATH]);

#endif
