-- GET /large of the hello: an answer as large as that of get-at.
dofile(os.getenv("REPORT"))
wrk.path = "/large"
