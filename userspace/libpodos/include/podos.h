/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * Remote programs on a PODOS system.
 *
 * A circuit is a file descriptor: poll(2), read(2), write(2) and close(2) work on it as on any
 * other, and closing it before the program has ended kills the program. Every function returns
 * a negative errno when it fails: EHOSTDOWN, ECONNRESET or ETIMEDOUT mean that the node is down.
 *
 *	int fd = podos_open("linus2", 0);
 *	char *argv[] = { "uname", "-n", NULL };
 *	podos_exec(fd, argv, NULL, NULL);
 *	podos_end_input(fd);
 *	while ((n = podos_read(fd, buffer, sizeof(buffer))) > 0)
 *		fwrite(buffer, 1, n, stdout);
 *	podos_status(fd, &status);
 *	close(fd);
 */
#ifndef PODOS_H
#define PODOS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* podos_open: the program's file lies at the caller's node. */
#define PODOS_PROGRAM_AT_CALLER 1u

/* podos_read_record: what was read. */
#define PODOS_STDOUT 1
#define PODOS_STDERR 2
#define PODOS_EXIT 3

/*
 * Opens a circuit to a node ("linus2", "/linus2" or "2") with close-on-exec set. Returns the
 * descriptor, before the node has answered. -ENOENT: no such node; -ELOOP: it is this one.
 */
int podos_open(const char *node, unsigned int flags);

/*
 * Names the program: argv and envp end with NULL; envp may be NULL for the default environment
 * and cwd may be NULL for the node's root. That it can't be run is told by the first read.
 */
int podos_exec(int fd, const char *const argv[], const char *const envp[], const char *cwd);

/* Reads the program's output, both streams in the order written; 0 at the end. */
ssize_t podos_read(int fd, void *buffer, size_t size);

/* Writes to the program's standard input; returns how much was taken. */
ssize_t podos_write(int fd, const void *bytes, size_t size);

/* Makes every read give one record; to be called before the first read. */
int podos_use_records(int fd);

/*
 * Reads one record into buffer and says in *stream what it is; returns the number of bytes
 * of the stream. PODOS_EXIT: buffer holds the wait status, an int32_t. 0 with *stream == 0: the
 * circuit is at its end. size is 12 at least and leaves 8 bytes for the kernel's own use.
 */
ssize_t podos_read_record(int fd, int *stream, void *buffer, size_t size);

/* Ends the program's standard input. */
int podos_end_input(int fd);

/*
 * Ends it, too, but with an error: behind what was written the program's reads give this errno,
 * because more can't be read here. Without either of the two, closing the circuit gives them EIO.
 */
int podos_fail_input(int fd, int error);

/* Sends a signal: > 0 to the program, < 0 (of that number) to its process group. */
int podos_signal(int fd, int signal);

/* Waits for the program's end; *status as from waitpid(2). */
int podos_status(int fd, int *status);

/* Waits for the program's start; *gpid is its global process id. */
int podos_gpid(int fd, uint64_t *gpid);

/*
 * For the remote program: the global process id of the process that started it and the circuit's
 * index at this node. -ENOENT if this process was not started from another node. Its standard
 * streams are the circuit.
 */
int podos_caller(uint64_t *gpid, uint32_t *circuit);

#ifdef __cplusplus
}
#endif

#endif /* PODOS_H */
