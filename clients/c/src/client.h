/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CDC_CLIENT_H
#define CDC_CLIENT_H

#include <pthread.h>

#include "cidecar/cidecar.h"
#include "link.h"

struct cidecar_client {
	struct cdc_session session;
	struct cdc_link link;
	int64_t alarm;
	bool awake; /* the descriptor is readable until the next service */
	/* Of cidecar_start_thread(). */
	bool threaded;
	bool stop;
	int notify; /* readable when there is something to look at */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t served;
};

/* What cidecar_service() does. The lock is held, where there is one. */
void cdc_client_service(cidecar_client *client);
bool cdc_client_is_ready(cidecar_client *client);

#endif
