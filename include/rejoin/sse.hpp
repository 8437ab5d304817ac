#ifndef REJOIN_SSE_HPP
#define REJOIN_SSE_HPP

// The part of rejoin that does no I/O and needs nothing but the standard library.

#include <rejoin/error.hpp>
#include <rejoin/result.hpp>
#include <rejoin/resume/backoff.hpp>
#include <rejoin/resume/circuit_breaker.hpp>
#include <rejoin/resume/circuit_breakers.hpp>
#include <rejoin/resume/event_tracker.hpp>
#include <rejoin/resume/failover.hpp>
#include <rejoin/resume/health_monitor.hpp>
#include <rejoin/resume/phase.hpp>
#include <rejoin/resume/reconnection_machine.hpp>
#include <rejoin/resume/retry_policy.hpp>
#include <rejoin/sse/event.hpp>
#include <rejoin/sse/limits.hpp>
#include <rejoin/sse/parser.hpp>
#include <rejoin/sse/parser_options.hpp>
#include <rejoin/sse/writer.hpp>
#include <rejoin/version.hpp>

#endif
