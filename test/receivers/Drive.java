// Asks the snippets of WEBHOOKS.md about the deliveries on standard input and prints one verdict a line (see drive.mjs).
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;

public final class Drive {
  public static void main(String[] arguments) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      System.out.println(verdict(line.split("\t")));
    }
  }

  private static String verdict(String[] fields) {
    byte[] body = Base64.getDecoder().decode(fields[1]);
    String key = decoded(fields[3]);
    // A servlet's request finds headers in any case.
    Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    for (String header : decoded(fields[2]).split("\n")) {
      int colon = header.indexOf(": ");
      if (colon > 0) headers.put(header.substring(0, colon), header.substring(colon + 2));
    }
    try {
      if (fields[0].equals("standard")) {
        Webhook.verify(body, headers::get, key, Instant.ofEpochSecond(Long.parseLong(fields[4])));
      } else {
        PingppWebhook.verify(body, headers::get, key);
      }
      return "accepted";
    } catch (GeneralSecurityException | IllegalArgumentException error) {
      return "refused: " + error.getMessage();
    } catch (RuntimeException error) {
      return "crashed: " + error;
    }
  }

  private static String decoded(String base64) {
    return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
  }
}
