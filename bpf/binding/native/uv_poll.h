// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

/// The functions of libuv that watch a descriptor. Node exports them, and their ABI is the same
/// in all of libuv 1. They are declared here, because the npm package of the Node-API headers
/// does not contain them.
extern "C" {

struct uv_loop_s;
struct uv_handle_s;

using uv_poll_callback = void (*)(uv_handle_s* handle, int status, int events);
using uv_close_callback = void (*)(uv_handle_s* handle);

size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void* uv_handle_get_data(const uv_handle_s* handle);
int uv_poll_init(uv_loop_s* loop, uv_handle_s* handle, int fd);
int uv_poll_start(uv_handle_s* handle, int events, uv_poll_callback callback);
int uv_poll_stop(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, uv_close_callback callback);
const char* uv_strerror(int error);
}

namespace cidecar {

constexpr int kUvPoll = 8;      // UV_POLL of enum uv_handle_type
constexpr int kUvReadable = 1;  // UV_READABLE of enum uv_poll_event

}  // namespace cidecar
