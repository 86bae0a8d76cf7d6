/* SPDX-License-Identifier: Apache-2.0 */
/* The transport by a unix socket. */
#ifndef CDC_UNIX_H
#define CDC_UNIX_H

#include "cidecar/transport.h"

/* Returns 0, -EINVAL for an empty path, -ENAMETOOLONG for one that no socket can have, or
 * -ENOMEM. */
int cdc_unix_transport(struct cidecar_transport **transport, const char *path);

#endif
