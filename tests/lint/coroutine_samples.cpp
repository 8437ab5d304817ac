// Samples for coroutines.py --self-test: never compiled. A line marked as bad must be reported for that rule, all others must not.
// NOLINTBEGIN

// --- conditions ---

awaitable<void> conditions() {
    if (co_await f() != 4) g();                      // bad: condition
    if (!co_await f()) {                             // bad: condition
        g();
    }
    if (
        ready &&
        co_await f()) {                              // bad: condition
        g();
    }
    switch (co_await f()) {                          // bad: condition
    case 1: break;
    }
    while (co_await f()) g();                        // bad: condition
    do {
        g();
    } while (co_await f());                          // bad: condition
    for (int i = 0; co_await f(); ++i) g();          // bad: condition
    for (int i = 0; i < 3; i += co_await f()) g();   // bad: condition
    if (int x = 1; co_await f(x)) g();               // bad: condition
    if constexpr (true) {
        if (a) b();
        else if (co_await f()) g();                  // bad: condition
    }
    if ((x = co_await f())) g();                     // bad: condition
    if (x == y && co_await f()) g();                 // bad: condition

    const auto x = co_await f();
    if (x != 4) g();
    if (auto y = co_await f()) g(y);
    if (const std::optional<Event>& y = co_await f()) g(y);
    if (auto y = co_await f(); y != 4) g(y);
    while (auto e = co_await stream.next()) g(*e);
    switch (auto y = co_await f()) {
    default: break;
    }
    for (auto& item : co_await f()) g(item);
    for (int i = co_await f(); i < 3; ++i) g();
    if (x) co_await f();
    while (x) co_await f();
    if (x) co_return 1;
    // if (co_await f()) in a comment
    log("if (co_await f())");
}

// --- temporaries ---

awaitable<void> temporaries() {
    co_await f({.a = s, .n = 1});                    // bad: brace_argument
    co_await f(
        s,
        {.a = s,                                     // bad: brace_argument
         .n = 1});
    co_await f({"a", "b"});                          // bad: brace_argument
    co_await f(s, {});                               // bad: brace_argument
    co_await f(Options{s, 1});                       // bad: temporary
    co_await rejoin::f(rejoin::Options{.a = s});     // bad: temporary
    co_await f(Options<int>{s});                     // bad: temporary
    co_await f(std::array<std::string, 2>{s, s});    // bad: temporary
    co_await asio::async_write(s, std::vector<asio::const_buffer>{b1, b2}, asio::use_awaitable);  // bad: temporary
    co_await Object{s, 1}.go();                      // bad: temporary
    const auto n = co_await f(g(Options{s}));        // bad: temporary
    co_return co_await f(Options{s});                // bad: temporary

    Options options{.a = s, .headers = {{"k", "v"}}};
    co_await f(options);
    co_await f(std::move(options));
    auto pending = f({.a = s});
    co_await std::move(pending);
    co_await f(std::string{"x"}, std::string_view{s}, "y");
    co_await f(std::chrono::milliseconds{5});
    co_await asio::async_write(s, std::array<asio::const_buffer, 2>{b1, b2}, asio::use_awaitable);
    co_await asio::async_write(s, asio::buffer(b), asio::redirect_error(asio::use_awaitable, ec));
    f({.a = s});
    Options other = {.a = s};
}

// --- building from an await ---

awaitable<Result> building() {
    Timer timer{co_await asio::this_coro::executor, {.a = s}};  // bad: brace_await brace_argument
    Result r{co_await make(), T(), 3};               // bad: brace_await
    Result q{.b = co_await make()};                  // bad: brace_await
    if (q) co_return Result{co_await make(), 1};     // bad: brace_await
    if (r) co_return {1, 2};                         // bad: co_return_braces

    const auto executor = co_await asio::this_coro::executor;
    Timer good{executor, {.a = s}};
    auto made = co_await make();
    if (made) co_return Result{std::move(made), 1};
    const auto [a, b] = co_await make();
    co_return Result{.a = 1};
}

// --- lambdas ---

awaitable<void> lambdas() {
    co_await f([s] { g(s); });                       // bad: capture
    co_await f([s = std::move(s)]() mutable { g(s); });  // bad: capture
    co_await f([=] { g(s); });                       // bad: capture
    co_await f([&x, s] { g(s); });                   // bad: capture
    co_await asio::co_spawn(
        executor,
        [s]() -> asio::awaitable<void> {             // bad: capture
            co_await g(s);
        },
        asio::use_awaitable);
    co_await asio::async_initiate<Token, void()>([s](auto handler) { g(s); }, asio::use_awaitable);  // bad: capture

    auto named = [s] { g(s); };
    co_await f(std::move(named));
    co_await f([&] { g(s); });
    co_await f([&s] { g(s); });
    co_await f([this] { g(); });
    co_await f([](int v) { return v ? 1 : 2; });
    co_await f(values[index]);
    asio::co_spawn(executor, [s]() -> asio::awaitable<void> { co_await g(s); }, asio::detached);
    asio::co_spawn(
        executor,
        [s]() -> asio::awaitable<void> {
            co_await g({.a = s});                    // bad: brace_argument
            if (co_await g(s)) h();                  // bad: condition
        },
        asio::detached);
    run([&]() -> asio::awaitable<void> {
        const int a = co_await g(1);
        const int b = co_await g(2);
        f({.a = a});
    });
}

// --- the rest ---

awaitable<void> rest() {
    auto v = c ? co_await a() : T("x");              // bad: conditional
    co_await f(c ? x : y);                           // bad: conditional
    const auto z =
        c
            ? T("x")                                 // bad: conditional
            : co_await a();
    co_await f(co_await g());                        // bad: one_await
    const int sum = co_await f() + co_await f();     // bad: one_await
    REQUIRE(co_await f() == 4);                      // bad: macro
    CHECK(!(co_await f()));                          // bad: macro

    const auto u = c ? T("x") : T("y");
    const int first = co_await f();
    const int second = co_await f();
    REQUIRE(first == second);
    numbers.push_back(co_await f());
    co_return;
}

asio::awaitable<int> defaulted(Options options = {});                          // bad: default_argument
Awaitable<int> defaulted(std::string name, const Options& options = Options{}) {  // bad: default_argument
    co_return 1;
}
asio::awaitable<int> harmless(std::string_view name = {}, int n = 3, std::chrono::seconds wait = std::chrono::seconds{3});
int not_a_coroutine(Options options = {});

// NOLINTEND
