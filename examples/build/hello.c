/* Answers every connection on port 8080 with one sentence. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, SIG_DFL);
  int server = socket(AF_INET, SOCK_STREAM, 0);
  int yes = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 16) != 0) {
    perror("port 8080");
    return 1;
  }
  char answer[256];
  int length = snprintf(answer, sizeof answer,
                        "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                        strlen(GREETING) + 1, GREETING);
  for (;;) {
    int client = accept(server, NULL, NULL);
    char request[1024];
    if (client < 0) continue;
    if (read(client, request, sizeof request) > 0 && write(client, answer, length) < 0) perror("answer");
    close(client);
  }
}
