/* Hyperscan on one job, without the cost of a scripting language. Reads expressions from a file (one a line), the text from another;
   prints one JSON line: seconds of CPU per round and the number of matches.
     cc -O2 peer.c -o peer $(pkg-config --cflags --libs libhs)
     ./peer EXPRESSIONS TEXT BYTES CHUNK ROUNDS     (CHUNK 0: block mode) */
#define _GNU_SOURCE
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long long matches;

static int found(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context) {
    (void)id, (void)from, (void)to, (void)flags, (void)context;
    matches++;
    return 0;
}

static char *slurp(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) exit(2);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    if (fread(text, 1, *size, file) != *size) exit(2);
    text[*size] = 0;
    fclose(file);
    return text;
}

static double cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 6) return 2;
    size_t size, bytes;
    char *list = slurp(arguments[1], &size), *text = slurp(arguments[2], &bytes);
    size_t wanted = strtoull(arguments[3], 0, 10), chunk = strtoull(arguments[4], 0, 10);
    int rounds = atoi(arguments[5]);
    if (wanted < bytes) bytes = wanted;
    unsigned int n = 0;
    const char **expressions = malloc(sizeof *expressions * (size / 2 + 1));
    unsigned int *flags = malloc(sizeof *flags * (size / 2 + 1)), *ids = malloc(sizeof *ids * (size / 2 + 1));
    for (char *line = strtok(list, "\n"); line; line = strtok(0, "\n")) {
        expressions[n] = line;
        flags[n] = 0;
        ids[n] = n;
        n++;
    }
    hs_database_t *database;
    hs_compile_error_t *error;
    double start = cpu();
    if (hs_compile_multi(expressions, flags, ids, n, chunk ? HS_MODE_STREAM : HS_MODE_BLOCK, 0, &database, &error)) {
        fprintf(stderr, "%d: %s\n", error->expression, error->message);
        return 1;
    }
    double compile = cpu() - start;
    hs_scratch_t *scratch = 0;
    hs_alloc_scratch(database, &scratch);
    printf("{\"compile\": %.4f, \"seconds\": [", compile);
    for (int round = 0; round < rounds; round++) {
        matches = 0;
        start = cpu();
        if (chunk) {
            hs_stream_t *stream;
            hs_open_stream(database, 0, &stream);
            for (size_t at = 0; at < bytes; at += chunk) {
                size_t length = bytes - at < chunk ? bytes - at : chunk;
                hs_scan_stream(stream, text + at, (unsigned int)length, 0, scratch, found, 0);
            }
            hs_close_stream(stream, scratch, found, 0);
        } else {
            hs_scan(database, text, (unsigned int)bytes, 0, scratch, found, 0);
        }
        printf("%s%.6f", round ? ", " : "", cpu() - start);
    }
    printf("], \"matches\": %llu}\n", matches);
    return 0;
}
