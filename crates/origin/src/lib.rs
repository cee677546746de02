//! Packages films and serves them: ladder, CMAF tree, signed index, HTTP.
