"""The load suite: users on Locust, profiles, and a verdict; see `docs/load-testing.md`.

`python -m load_tests.suite` reads like this:

    profile       what is sent, how much, how long: `load_tests/profiles/*.toml`
    host          the service from outside: what it serves, counters, processes
    system        one of our own, where no host is named
    questions     the rows, the tables, the mistakes
    answers       what is right for each row, from the model files
    schedule      when each request is due
    plan          all of that as a file, for the generators
    generators    the processes that send, started and let go
    locustfile    what runs in them: the users, on Locust
    checking      whether an answer is right
    operations    promotions and a rollback meanwhile
    records       what became of each request, and the figures made of it
    void          why a run says nothing of the service
    search        where the knee is
    objectives    what must hold (`load_tests/objectives.toml`), and the verdict
    baseline      what became worse since an earlier run
    run           a whole run; `report` and `page` show it
"""
