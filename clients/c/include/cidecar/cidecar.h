/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supply of connection IDs (CIDs) for a QUIC server, from the cidecar sidecar beside it.
 *
 * The hooks of a QUIC stack can neither wait nor fail, so cidecar_take() gives a CID of a local
 * pool, which is refilled in the background, or a 0b111 CID of the same length while the pool is
 * empty. Restarts of the sidecar, changes of config and lost connections are handled here; events
 * say what the server has to do.
 *
 * The library starts no thread unless it is asked to. It has one file descriptor, which the loop
 * of the server polls, and one function that the loop calls when that is readable. A client
 * belongs to one thread, unless cidecar_start_thread() was called. Make it after fork(), never
 * before: a client must not be in two processes.
 *
 * Long because one file is all that the author of a server reads.
 */
#ifndef CIDECAR_H
#define CIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CIDECAR_VERSION "0.1.0"

/* Octets of the longest CID (RFC 9000, section 17.2). */
#define CIDECAR_MAX_CID 20
/* Octets of a stateless reset token. */
#define CIDECAR_TOKEN 16
/* The most generations in one report of cidecar_options.held. */
#define CIDECAR_MAX_HELD 64

/* Octets of the longest text for people, with the zero at its end. */
#define CIDECAR_TEXT 320

typedef struct cidecar_client cidecar_client;

struct cidecar_transport; /* transport.h */

/* Connections whose oldest CID, of those that the peer may still use, has this generation. */
struct cidecar_held {
	uint64_t generation;
	uint64_t connections; /* at most 2^32 - 1 */
};

struct cidecar_options {
	/* Path of the sidecar's unix socket, at most 107 octets. */
	const char *socket;
	/* In place of `socket`, for a sidecar on another host: of cidecar_openssl_transport(), for
	 * example. The client frees it, unless cidecar_connect() fails. */
	struct cidecar_transport *transport;
	/* The most CIDs that the pool holds or has asked for, 1 to 65,536; 0 means 4,096. */
	uint32_t high_water;
	/* The pool is refilled when it holds fewer than this; 0 means half of high_water. */
	uint32_t low_water;
	/* For the sidecar's log and status, such as "my-server/1.2": up to 64 octets of printable
	 * ASCII. NULL means "cidecar-c/" and the version. */
	const char *client_name;
	/* What the server-use octets of every routable CID begin with, such as the number of a
	 * worker: 1 to 14 octets, at most as many as the config has (`serverUseLength` in the
	 * registry). None where the length is 0. 0b111 CIDs carry none. */
	const uint8_t *server_use;
	size_t server_use_length;
	/* The stack cannot make its peers retire CIDs (retire_prior_to), so the server closes the
	 * connections of a reissue by its deadline. */
	bool cannot_retire;
	/*
	 * Says how many connections there are by the oldest generation of the routable CIDs that
	 * their peers may still use (given out, and not retired): writes at most CIDECAR_MAX_HELD
	 * entries, each generation once, and returns how many. The rotation of a fleet waits for
	 * that number, so a server that leaves this out holds it up.
	 *
	 * It is called by cidecar_service(), at a rotation and once a second, and must not call
	 * functions of the client. With cidecar_start_thread() it is called in that thread.
	 */
	size_t (*held)(void *user, struct cidecar_held held[CIDECAR_MAX_HELD]);
	void *user;
};

/* One CID for one use. */
struct cidecar_cid {
	uint8_t cid[CIDECAR_MAX_CID];
	/* Octets of `cid`; the same in every CID of a client. */
	uint8_t length;
	/* False for a 0b111 CID, which balancers send by the 4-tuple: give its connection no second
	 * CID where the stack can do without, and disable active migration. */
	bool routable;
	/* The stateless reset token. If the pool was dry and made the CID itself, nobody can make
	 * the token again when the process has ended. */
	uint8_t token[CIDECAR_TOKEN];
	/* Reissue events name the CIDs that have to be replaced by their generation. It grows with
	 * each change that makes CIDs void, also where the sidecar lost its state and counts anew.
	 */
	uint64_t generation;
};

enum cidecar_event_type {
	/* CIDs come, and so do orders to replace them. */
	CIDECAR_CONNECTED = 1,
	/* The Session is lost. The pool serves what it has, until that is stale. `message` says
	 * why, where that is known. */
	CIDECAR_DISCONNECTED,
	/* From here on cidecar_take() gives 0b111 CIDs. */
	CIDECAR_DRY,
	/* CIDs are routable again. */
	CIDECAR_RECOVERED,
	/* The sidecar has said nothing for the lifetime of its CIDs: a rotation may have made them
	 * void. cidecar_take() gives 0b111 CIDs until the sidecar is heard again. */
	CIDECAR_STALE,
	/* Why there is no connection (once for each reason; the client goes on trying), or what the
	 * sidecar sent that cannot be used. Log it. */
	CIDECAR_TROUBLE,
	/* Live connections that hold CIDs of generations up to `through_generation` are to get new
	 * ones and retire the old ones, or to be closed, spread over the time to `deadline`
	 * (cidecar_pace_begin). The pool has routable CIDs for that. */
	CIDECAR_REISSUE,
	/* There are new answers for cidecar_reset_token() and cidecar_is_own(). */
	CIDECAR_ANSWERED,
	/* A lease came: there are CIDs for cidecar_mint(). */
	CIDECAR_LEASED,
	/* No lease comes; `message` says why. The server may ask again. */
	CIDECAR_NO_LEASE,
};

struct cidecar_event {
	enum cidecar_event_type type;
	/* Of CIDECAR_TROUBLE and CIDECAR_DISCONNECTED: the errno where the system refused, else 0.
	 */
	int error;
	/* Of CIDECAR_REISSUE. */
	uint64_t through_generation;
	/* Of CIDECAR_REISSUE: nanoseconds on the clock of cidecar_now(). In the past where the
	 * order was missed: it is due at once. */
	int64_t deadline;
	/* For people. Empty where there is nothing to say. */
	char message[CIDECAR_TEXT];
};

struct cidecar_stats {
	bool connected;
	/* cidecar_take() gives 0b111 CIDs, as far as it was called. */
	bool dry;
	/* What the pool holds is too old to be given. */
	bool stale;
	/* CIDs of the sidecar that the pool holds. */
	uint32_t level;
	/* Of the CIDs that are given now. */
	uint64_t generation;
	/* CIDs of the sidecar that were taken, 0b111 ones included. */
	uint64_t taken;
	/* 0b111 CIDs that the client made itself. */
	uint64_t made;
	/* CIDs that the client minted from leases. */
	uint64_t minted;
	/* CIDs that cidecar_mint() can still make. */
	uint32_t leased;
	/* A lease was asked for, and its answer is on its way. */
	bool leasing;
	/* Sessions that began, that is, whose hello came. */
	uint64_t sessions;
	/* Nanoseconds since the sidecar was last heard; -1 where it never was. */
	int64_t silence;
	/* The errno of `reason`, or 0. */
	int error;
	/* Why there is no connection; empty where there is one. */
	char reason[CIDECAR_TEXT];
};

/*
 * Makes a client, which connects in the background and goes on trying. The options are copied.
 * Returns 0, or -EINVAL for options out of their ranges, -ENAMETOOLONG for a path that no socket
 * can have, -ENOMEM, or the negative errno of epoll_create1(2) and its like.
 */
int cidecar_connect(cidecar_client **client, const struct cidecar_options *options);

/* Ends the Session and the thread, if there is one, and frees the client. NULL is allowed. */
void cidecar_close(cidecar_client *client);

/* A file descriptor that is readable when cidecar_service() has something to do. After
 * cidecar_start_thread() it is another one, which is readable when there are events, when the
 * client has become ready, and at the time of the alarm. Nothing else changes it. */
int cidecar_fd(const cidecar_client *client);

/*
 * Does what there is to do, and never blocks. Call it when cidecar_fd() is readable, also while
 * the server is busy: the sidecar cuts a client off that serves nothing for about 10 seconds. Does
 * nothing where a thread does it.
 */
void cidecar_service(cidecar_client *client);

/* Gives the oldest event that was not given yet; false where there is none. Call it after each
 * cidecar_service(), until it returns false. */
bool cidecar_next_event(cidecar_client *client, struct cidecar_event *event);

/* Whether there are CIDs, so that the server may begin. */
bool cidecar_ready(cidecar_client *client);

/*
 * Serves the client until it is ready. For the start of a server, which must not accept a
 * connection before it knows the CID length. A negative timeout waits for as long as it takes.
 * Returns 0, or -ETIMEDOUT; cidecar_get_stats() says why. The client goes on trying.
 */
int cidecar_wait_ready(cidecar_client *client, int timeout_ms);

/* Octets of every CID, 8 to 20; 0 while they are not known. */
size_t cidecar_cid_length(cidecar_client *client);

/*
 * A CID that was never used before. Never waits. Only where 0b111 CIDs are so short that this
 * process has made all of them (16 million where 3 octets are free) do those begin again, the
 * oldest first, which CIDECAR_TROUBLE tells. Returns 0, or -EAGAIN only while the CID length is
 * unknown, that is, before the client was ever ready.
 */
int cidecar_take(cidecar_client *client, struct cidecar_cid *cid);

/*
 * Asks the sidecar for a lease of so many nonces, 1 to 2^24, from which cidecar_mint() makes CIDs
 * in this process. It can give fewer. Each nonce is for one CID, and those that are not used are
 * lost: ask for what is used in a minute or so, and for the next lease while CIDs of the first are
 * left. The sidecar refuses unless it runs with --allow-key-export, because the answer has the key
 * of the config. It is kept in memory until the lease is used up or void, and overwritten then.
 *
 * Returns 0: CIDECAR_LEASED or CIDECAR_NO_LEASE follows. Or -EINVAL for a number out of range,
 * -ENOTCONN while there is no Session, -EBUSY while a lease is on its way or two are in hand.
 */
int cidecar_lease(cidecar_client *client, uint32_t nonces);

/*
 * Mints a routable CID, with its token and the server-use octets of the options. Never waits; takes
 * some microseconds. Returns 0, or -ENODATA where there is no lease of the present generation,
 * -ESTALE while the sidecar has said nothing for the lifetime of its CIDs, -EIO where the system
 * has no random octets. cidecar_take() has a CID in all of these cases.
 */
int cidecar_mint(cidecar_client *client, struct cidecar_cid *cid);

enum cidecar_answer {
	/* It was asked now or before. Call again when CIDECAR_ANSWERED says that answers came, or
	 * when the next such packet comes: its sender repeats itself. */
	CIDECAR_PENDING,
	CIDECAR_YES,
	CIDECAR_NO,
	/* Nobody can tell: there is no connection, no answer came within 2 s, or too many questions
	 * are open. It may be asked again. */
	CIDECAR_UNAVAILABLE,
};

/*
 * The stateless reset token of a CID of this server that no connection here has: one that an
 * earlier process had. CIDECAR_NO where there is no token: send no reset then, since a server that
 * answered for the CIDs of others would let anybody end their connections (RFC 9000, section
 * 21.11). Answers are kept for 10 s, and at most 16 questions are open, since anybody can provoke
 * them. How many resets leave is for the server to limit.
 */
enum cidecar_answer cidecar_reset_token(
	cidecar_client *client, const uint8_t *cid, size_t length, uint8_t token[CIDECAR_TOKEN]);

/* Whether a CID carries an ID of this server. */
enum cidecar_answer cidecar_is_own(cidecar_client *client, const uint8_t *cid, size_t length);

void cidecar_get_stats(cidecar_client *client, struct cidecar_stats *stats);

/* cidecar_fd() becomes readable at this time on the clock of cidecar_now(), for work that a server
 * has spread. There is one alarm; INT64_MAX calls it off. */
void cidecar_alarm(cidecar_client *client, int64_t at);

/*
 * Lets a thread of the library call cidecar_service() from here on, for servers without a loop.
 * All functions of the client may then be called from any thread; each takes a lock that is never
 * held while something waits. Returns 0 or a negative errno.
 */
int cidecar_start_thread(cidecar_client *client);

/* Nanoseconds on CLOCK_BOOTTIME, which nobody sets and which goes on while the machine sleeps. */
int64_t cidecar_now(void);

/*
 * Spreads the work of a reissue evenly over 80 % of the time to its deadline; the rest is left for
 * connections that are slow. New CIDs for all connections at once would be a burst.
 */
struct cidecar_pace {
	int64_t began;
	int64_t time;
	size_t items;
	size_t done;
};

/* `items` are to be replaced from `now` to `deadline`; all at once if that is past. */
void cidecar_pace_begin(struct cidecar_pace *pace, size_t items, int64_t now, int64_t deadline);

/* How many further items are to be replaced at `now`. They count as done. */
size_t cidecar_pace_due(struct cidecar_pace *pace, int64_t now);

/* When cidecar_pace_due() has something to say again; INT64_MAX when all is done. */
int64_t cidecar_pace_next(const struct cidecar_pace *pace);

#ifdef __cplusplus
}
#endif

#endif
