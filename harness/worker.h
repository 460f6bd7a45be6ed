/* worker.h - the worker process: one arm of one cell for one square (hidden verb `slice`).
 *
 * Reads orders, answers each (orders.h), ends when its input ends. Its main thread sleeps while
 * a slice runs. It cannot be dumped, since it holds the server key, and does not outlive the run.
 */
#ifndef ATREST_HARNESS_WORKER_H
#define ATREST_HARNESS_WORKER_H

/* Returns the exit status. */
int worker_main(int in, int out);

#endif
