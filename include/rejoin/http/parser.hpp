#ifndef REJOIN_HTTP_PARSER_HPP
#define REJOIN_HTTP_PARSER_HPP

#include <rejoin/http/request_parser.hpp>
#include <rejoin/http/response_parser.hpp>

#endif
