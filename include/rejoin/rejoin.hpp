#ifndef REJOIN_REJOIN_HPP
#define REJOIN_REJOIN_HPP

// Everything but the optional parts. The sans-IO part alone: <rejoin/sse.hpp>.

#include <rejoin/sse.hpp>

#include <rejoin/client/reconnecting_stream.hpp>
#include <rejoin/client/reconnection_manager.hpp>
#include <rejoin/client/sse_http_client.hpp>
#include <rejoin/gateway/http_server.hpp>
#include <rejoin/gateway/reverse_proxy_sse_manager.hpp>

#endif
