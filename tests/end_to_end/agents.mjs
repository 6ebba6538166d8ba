// Coding agents as their users run them: pinned versions, each with a HOME of its own, pointed at Hearth as
// `hearth setup` describes, and at nothing else.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

const bin = path.join(process.env.HEARTH_CLIENTS, 'node_modules/.bin');

// A proxy that lets nobody out and remembers who tried: `attempts` are hosts.
export class Trap {
  static async start() {
    const trap = new Trap();
    trap.attempts = [];
    trap.server = createServer((request, response) => {
      trap.attempts.push(request.url);
      response.writeHead(502).end();
    });
    trap.server.on('connect', (request, socket) => {
      trap.attempts.push(request.url);
      socket.on('error', () => {});
      socket.end('HTTP/1.1 502 Nobody gets out\r\n\r\n');
    });
    await new Promise((resolve) => trap.server.listen(0, '127.0.0.1', resolve));
    trap.url = `http://127.0.0.1:${trap.server.address().port}`;
    return trap;
  }
  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// How each agent is told where its model is, and asked one thing. `read` is the call that reads a file there.
const agents = {
  claude: {
    read: (file) => ({ name: 'Read', args: { file_path: file } }),
    env: (at) => ({
      ANTHROPIC_BASE_URL: at.url, ANTHROPIC_AUTH_TOKEN: at.token, ANTHROPIC_MODEL: at.model,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: at.model, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1',
    }),
    args: (prompt) => ['-p', prompt, '--allowedTools', 'Read'],
  },
  codex: {
    read: (file) => ({ name: 'exec_command', args: { cmd: `cat ${file}` } }),
    env: (at) => ({ CODEX_HOME: path.join(at.home, '.codex'), HEARTH_TOKEN: at.token }),
    files: (at) => ({
      '.codex/config.toml': `
model = "${at.model}"
model_provider = "hearth"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.hearth]
name = "Hearth"
base_url = "${at.url}/v1"
env_key = "HEARTH_TOKEN"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`,
    }),
    args: (prompt) => ['exec', '--skip-git-repo-check', prompt],
  },
  opencode: {
    read: (file) => ({ name: 'read', args: { filePath: file } }),
    env: () => ({ OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1' }),
    files: (at) => ({
      'project/opencode.json': JSON.stringify({
        provider: {
          hearth: {
            npm: '@ai-sdk/openai-compatible', name: 'Hearth', options: { baseURL: at.url + '/v1', apiKey: at.token },
            models: { [at.model]: { name: at.model, limit: { context: 131072, output: 4096 } } },
          },
        },
        model: `hearth/${at.model}`, small_model: `hearth/${at.model}`, share: 'disabled', autoupdate: false,
      }),
    }),
    args: (prompt) => ['run', prompt],
  },
  qwen: {
    read: (file) => ({ name: 'read_file', args: { file_path: file } }),
    env: (at) => ({ OPENAI_API_KEY: at.token, OPENAI_BASE_URL: at.url + '/v1', OPENAI_MODEL: at.model }),
    files: () => ({ '.qwen/settings.json': JSON.stringify({ privacy: { usageStatisticsEnabled: false }, general: { disableAutoUpdate: true } }) }),
    args: (prompt) => ['--auth-type', 'openai', '-p', prompt],
  },
  cn: {
    read: (file) => ({ name: 'Read', args: { filepath: file } }),
    env: () => ({ CONTINUE_TELEMETRY_ENABLED: '0' }),
    files: (at) => ({
      'config.yaml': `
name: Hearth
version: 0.0.1
schema: v1
models:
  - name: hearth
    provider: openai
    model: ${at.model}
    apiBase: ${at.url}/v1
    apiKey: ${at.token}
    roles: [chat, edit, apply]
    defaultCompletionOptions: { maxTokens: 48 }
`,
    }),
    args: (prompt, at) => ['-p', prompt, '--config', path.join(at.home, 'config.yaml'), '--auto'],
  },
};

export const readCall = (name, file) => agents[name].read(file);

// A HOME of its own for one run, and the folder in it that the agent works in.
export function workplace(name) {
  const home = mkdtempSync(path.join(tmpdir(), `hearth-${name}-`));
  return { home, project: path.join(home, 'project') };
}

// One run: {code, out, err}. `files` go into the folder that it works in.
export async function runAgent(name, { daemon, model, prompt, trap, files = {}, args = [], place = workplace(name) }) {
  const agent = agents[name];
  const { home, project } = place;
  const at = { url: daemon.discovery.url, token: daemon.discovery.token, model, home, project };
  for (const [file, text] of Object.entries({
    ...Object.fromEntries(Object.entries(files).map(([file, text]) => ['project/' + file, text])), ...agent.files?.(at),
  })) {
    mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    writeFileSync(path.join(home, file), text);
  }
  mkdirSync(project, { recursive: true });
  const proxies = Object.fromEntries(['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].map((key) => [key, trap.url]));
  const env = {
    PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, HOME: home, TERM: 'dumb', CI: '1', LANG: 'C.UTF-8',
    ...proxies, NO_PROXY: '127.0.0.1,localhost', no_proxy: '127.0.0.1,localhost', ...agent.env(at),
  };
  const child = spawn(path.join(bin, name), [...agent.args(prompt, at), ...args], { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let out = '', err = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (err += piece));
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');  // with what it started
    } catch {}
  };
  const patience = setTimeout(stop, 150_000);
  const code = await new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)));
  clearTimeout(patience);
  stop();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  return { code, out, err };
}
