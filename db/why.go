package db

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Why says in one sentence why a database cannot be used, and what there is to do; "" for an error that is about something else.
func Why(rawURL string, err error) string {
	var parse *pgconn.ParseConfigError
	var connect *pgconn.ConnectError
	var server *pgconn.PgError
	switch {
	case errors.As(err, &parse):
		return whyUnread(parse)
	case errors.Is(err, errStandby):
		return "it is a standby; name the primary too, or all of its servers"
	case errors.As(err, &server):
		if cure := cureFor(rawURL, server); cure != "" {
			return server.Message + "; " + cure
		}
		if errors.Is(err, ErrUnavailable) || errors.As(err, &connect) {
			return server.Message
		}
		return ""
	case errors.Is(err, ErrUnavailable) || errors.As(err, &connect):
		return whyUnreached(err)
	}
	return ""
}

// cureFor is what there is to do about an answer of PostgreSQL, or of a pooler before it; "" for nothing in particular.
func cureFor(rawURL string, e *pgconn.PgError) string {
	says := func(part string) bool { return strings.Contains(e.Message, part) }
	role, database := "…", "…"
	if config, err := pgx.ParseConfig(rawURL); err == nil {
		role, database = pgx.Identifier{config.User}.Sanitize(), pgx.Identifier{config.Database}.Sanitize()
	}
	switch {
	case e.Code == "28P01" || says("password authentication failed") || says("SASL authentication failed"):
		return "check the password in --database (a special character is written as %XX), or set it: ALTER ROLE " + role + " PASSWORD '…'"
	case says("pg_hba.conf") && says("no encryption"):
		return "sslmode=require in --database asks for encryption; or let it in with a line in pg_hba.conf on the server"
	case says("pg_hba.conf"):
		return "let it in with a line in pg_hba.conf on the server"
	case says("not permitted to log in"):
		return "ALTER ROLE " + role + " LOGIN"
	case e.Code == "28000", says("no such user"):
		return "make the role: CREATE ROLE " + role + " LOGIN PASSWORD '…'"
	case says("no such database"):
		return "name it in the section [databases] of the pooler"
	case e.Code == "3D000", says(`database "`) && says("does not exist"): // a pooler gives it another code
		return "make the database: CREATE DATABASE " + database + " OWNER " + role + " ENCODING 'UTF8' TEMPLATE template0"
	case e.Code == "3F000":
		return "the role's search_path names no schema that is there: CREATE SCHEMA public, or ALTER ROLE " + role + " SET search_path = …"
	case e.Code == "42501" && says("schema"):
		return "GRANT USAGE, CREATE ON SCHEMA … TO " + role + " lets it make its tables; docs/operating.md has the lines for a role that only uses them"
	case e.Code == "42501" && says("database"):
		return "GRANT CONNECT ON DATABASE " + database + " TO " + role
	case e.Code == "42501":
		return "the tables belong to another role: use that one, or grant what docs/operating.md says"
	case full(e):
		return "every connection is taken: raise max_connections (or the role's CONNECTION LIMIT, or the pooler's max_client_conn), or give each node fewer with --database-connections"
	case says("statement pooling"):
		return "pool_mode = transaction, or session, in the pooler"
	case says("unsupported startup parameter"):
		return "the pooler does not hand that on: leave it out of --database and set it for the role, ALTER ROLE " + role + " SET …"
	}
	return ""
}

// whyUnread says what is wrong with an address. It is not quoted: it holds a password.
func whyUnread(err *pgconn.ParseConfigError) string {
	var file *fs.PathError
	var address *url.Error
	cause := err.Unwrap()
	switch {
	case errors.As(cause, &file):
		return fmt.Sprintf("the file %s, which its address names, cannot be read: %v", file.Path, file.Err)
	case cause == nil || errors.As(cause, &address) || strings.Contains(cause.Error(), "://"):
		return "its address cannot be read; a special character of the password is written as %XX (/ is %2F, @ is %40, # is %23)"
	}
	return "its address cannot be read: " + cause.Error()
}

// whyUnreached says what stood between us and a server.
func whyUnreached(err error) string {
	var host *net.DNSError
	var network *net.OpError
	var system syscall.Errno
	var certificate *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.Is(err, errNoneCame):
		return fmt.Sprintf("no connection came within %s; it is full or slow, or a pooler stands before it that cannot reach it, whose log says why", AcquireTimeout)
	case errors.As(err, &unknown):
		return "its certificate is signed by nobody whom this machine knows; name who signed it with sslrootcert=FILE in --database"
	case errors.As(err, &name):
		return "its certificate is for another name: " + name.Error() + "; use the name of the certificate in --database"
	case errors.As(err, &certificate):
		return "its certificate is not good: " + certificate.Err.Error()
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return "it speaks no TLS; switch ssl on there, or say sslmode=disable where nobody can listen in between"
	case errors.As(err, &host):
		return fmt.Sprintf("the host %s is not known", host.Name)
	case errors.As(err, &network) && errors.As(err, &system):
		return fmt.Sprintf("%s: %s", network.Addr, system)
	case errors.As(err, &system):
		return system.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	}
	text := strings.TrimPrefix(err.Error(), ErrUnavailable.Error()+": ")
	return strings.Join(strings.Fields(text), " ")
}
