# Makes the database on the first start; the volume keeps it.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  printf %s "$DB_PASSWORD" > /tmp/password
  initdb -U app -E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
