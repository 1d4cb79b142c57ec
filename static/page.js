// Uses a one-time link. Its secret stands behind the `#`, which is sent to no server, and is taken out of the address bar
// at once.

const told = document.querySelector('#told');

const doors = {
  password: {
    path: '/auth/password/reset',
    body: (token, fields) => ({ token, new_password: fields.get('password') }),
    done: 'The password is set. You can log in with it now.',
  },
  invitation: {
    path: '/auth/register',
    // The tokens of this first login are for a program; this page keeps none.
    body: (invitation, fields) => ({ email: fields.get('email'), password: fields.get('password'), client: 'native', invitation }),
    done: 'The account is made. You can log in now.',
  },
  verify: {
    path: '/auth/verify',
    body: token => ({ token }),
    done: 'The address is confirmed. You can log in now.',
  },
};

function tell(text, wrong) {
  told.textContent = text;
  told.classList.toggle('wrong', wrong);
}

async function use(name, secret, form) {
  const door = doors[name];
  const button = form.querySelector('button');
  button.disabled = true;
  tell('…', false);
  try {
    const answer = await fetch(door.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(door.body(secret, new FormData(form))),
    });
    if (answer.ok) {
      form.hidden = true;
      // 202: something is still to be done, and the answer says what.
      tell(answer.status === 202 ? (await answer.json()).detail : door.done, false);
    } else {
      const problem = await answer.json();
      tell(problem.detail, true);
    }
  } catch {
    tell('The server does not answer. Try again.', true);
  }
  button.disabled = false;
}

// What the open link is for, and its secret.
let link = null;

function open() {
  const [name, secret] = location.hash.slice(1).split('=');
  if (!Object.hasOwn(doors, name) || !secret) return;
  history.replaceState(null, '', location.pathname);
  link = { name, secret };
  tell('', false);
  document.querySelector('#intro').hidden = true;
  for (const form of document.forms) form.hidden = form.id !== name;
  document.querySelector(`#${name}`).querySelector('input, button').focus();
}

for (const form of document.forms) {
  form.addEventListener('submit', event => {
    event.preventDefault();
    use(link.name, link.secret, form);
  });
}
// Another link that is opened in the same tab loads nothing anew.
addEventListener('hashchange', open);
open();
